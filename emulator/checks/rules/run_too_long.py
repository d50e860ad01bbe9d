"""The run did not end within its deadline, so there is no verdict on it.

It ended nothing, exported nothing, or was not yet so far. `--run-deadline SECONDS` gives it
more time; arguments of the package that make it shorter (`-- --train-steps=10`) are better.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
NEEDS_RUN: Final = True


def check(evidence: Evidence) -> Iterator[Finding]:
    run = evidence.run
    if run is None or run.cut_s is None:
        return
    got = run.last_lines[-1] if run.last_lines else "nothing was printed"
    left = f"{len(run.written)} objects written" if run.written else "nothing written"
    yield Finding(
        message=f"The run was ended after {run.cut_s:g} s. It got as far as: {got} ({left}).",
        fix="Let it do less, by arguments after `--`, or give it more with --run-deadline.",
        path=evidence.request.path,
        line=evidence.request.line("args"),
    )
