"""The run did not succeed, and its arguments name gs:// data that were not given.

Cloud Storage is empty when a run begins: `--data LOCAL=gs://bucket/path` uploads a file or a
folder before, `--data-from 'COMMAND {}=gs://bucket/path'` what a command makes.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
NEEDS_RUN: Final = True


def check(evidence: Evidence) -> Iterator[Finding]:
    run = evidence.run
    if run is None or run.is_done:
        return
    for uri in run.absent:
        folder = uri.partition("*")[0].rpartition("/")[0]
        target = folder if folder != "gs:/" else uri
        yield Finding(
            message=f"The run was given {uri}, and nothing is there.",
            fix=f"Give it: --data LOCAL={target}.",
            path=evidence.request.path,
            line=evidence.request.line("args"),
        )
