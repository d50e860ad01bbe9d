"""The job needs more memory than its machine has.

A machine of the type that the job names has so much memory; where this machine is smaller,
it is scaled down, and the finding is a warning.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence, Run
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
NEEDS_RUN: Final = True
_TEXT: Final = "ran out-of-memory"


def ran_out(run: Run) -> bool:
    return run.has_failed and _TEXT in run.error_message


def check(evidence: Evidence) -> Iterator[Finding]:
    run, request = evidence.run, evidence.request
    if run is None or not ran_out(run):
        return
    said = f" Its last line: {run.last_lines[-1]}." if run.last_lines else ""
    machine = request.training.master_type or request.training.scale_tier
    yield Finding(
        message=f"The job runs out of the memory that {machine} has.{said}",
        fix="Choose a machine type with more memory (scaleTier: CUSTOM and masterType), or hold "
        "less at a time: smaller batches, no shuffle buffer of the whole data.",
        path=request.path,
        line=request.line("masterType") or request.line("scaleTier"),
        cloud=run.error_message,
        verified=True,
    )
