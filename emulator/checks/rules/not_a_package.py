"""The folder has no __init__.py, so gcloud does not take it for a package."""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.not_a_package:
        yield Finding(
            message=f"{evidence.package} has no __init__.py.",
            fix="Add an empty __init__.py to the folder of --package-path.",
            path="" if evidence.root in {"", "."} else evidence.root,
            cloud=evidence.not_a_package,
            verified=True,
        )
