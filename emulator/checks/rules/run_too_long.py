"""The run did not end within its deadline, so there is no verdict on it.

Whether it hangs or is slow, nobody knows: the finding says how far it got. Arguments that
make it shorter (`-- --train-steps=10`) are better than more time (`--run-deadline SECONDS`).
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
    yield Finding(
        message=f"The run was ended after {run.cut_s:g} s. It got as far as: {got} "
        f"(objects written: {len(run.written)}).",
        fix="Let it do less, by arguments after `--`, or give it more with --run-deadline.",
        path=evidence.request.path,
        line=evidence.request.line("args"),
    )
