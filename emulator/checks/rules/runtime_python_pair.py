"""The runtime version does not exist, or not with this Python version.

Python 2.7 went up to runtime version 1.15, 3.5 from 1.4 to 1.14, 3.7 from 1.15 on.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.violations import findings
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
FIELDS: Final = frozenset({"runtime_version", "python_version"})


def check(evidence: Evidence) -> Iterator[Finding]:
    yield from findings(
        evidence,
        lambda violation: violation.field.rpartition(".")[2] in FIELDS,
        "`cmle runtimes list` shows the versions and their Pythons.",
    )
