"""The job needs more memory than its machine has.

The limit is that of the machine type. Where a smaller machine runs the job, its replicas get
a part of that, and the finding is a warning.
"""

import re
from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence, Run
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
NEEDS_RUN: Final = True
_TEXT: Final = "ran out-of-memory"
_MEMORY: Final = re.compile(r"([\d.]+) of ([\d.]+) GiB")


def ran_out(run: Run) -> bool:
    return run.has_failed and _TEXT in run.error_message


def check(evidence: Evidence) -> Iterator[Finding]:
    run, request = evidence.run, evidence.request
    if run is None or not ran_out(run):
        return
    smaller = next(filter(_is_smaller, run.differences), "")
    said = f" Its last line: {run.last_lines[-1]}." if run.last_lines else ""
    machine = request.training.master_type or request.training.scale_tier
    yield Finding(
        message=f"The job runs out of the memory that {machine} has"
        + (f" here ({smaller.rstrip('.')})" if smaller else "")
        + f".{said}",
        fix="Choose a machine type with more memory (scaleTier: CUSTOM and masterType), or hold "
        "less at a time: smaller batches, no shuffle buffer of the whole data.",
        path=request.path,
        line=request.line("masterType") or request.line("scaleTier"),
        cloud=run.error_message,
        verified=not smaller,
        severity=Severity.WARNING if smaller else None,
    )


def _is_smaller(difference: str) -> bool:
    return any(float(part) < float(whole) for part, whole in _MEMORY.findall(difference))
