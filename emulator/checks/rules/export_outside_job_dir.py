"""The model was exported, but not below the folder of --job-dir.

What comes after training (a deployment, a cleaning up) looks for it there.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.exported import is_below
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
NEEDS_RUN: Final = True


def check(evidence: Evidence) -> Iterator[Finding]:
    run = evidence.run
    if run is None or not run.model or is_below(run.model, run.job_dir):
        return
    yield Finding(
        message=f"The model was exported to {run.model}, which is not below {run.job_dir}.",
        fix="Write it below the folder of --job-dir.",
        path=evidence.request.path,
        line=evidence.request.line("jobDir"),
    )
