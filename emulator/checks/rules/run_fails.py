"""The job fails when it is run.

With the place in the package where it failed, and the error message that the service makes
of the end of a replica. A run that ran out of memory is `run-out-of-memory`.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.rules import run_out_of_memory
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
NEEDS_RUN: Final = True
_INDENT: Final = " " * 8


def check(evidence: Evidence) -> Iterator[Finding]:
    run = evidence.run
    if run is None or not run.has_failed or run_out_of_memory.ran_out(run):
        return
    failure = run.failure
    if failure is not None:
        said = f"{failure.kind}: {failure.message}" if failure.message else failure.kind
        what, fix = (
            f"The job fails: {said.rstrip('.')}.",
            "Correct the line that the traceback ends with.",
        )
    else:
        end = "".join(f"\n{_INDENT}{line}" for line in run.last_lines) or " it is empty"
        what = f"The job ends as {run.state}. The end of its log:{end}"
        fix = "Let it succeed with the status 0."
    if run.absent:
        fix = "Give it its data first: see data-not-given."
    yield Finding(
        message=what,
        fix=fix,
        path=failure.path if failure else "",
        line=failure.line if failure else 0,
        cloud=run.error_message,
        verified=failure is not None and not run.absent,
    )
