"""A file does not parse with the Python of the runtime.

The runtimes end at Python 3.7: no `:=` and no positional-only parameters (3.8), no
`match` (3.10), no `except*` (3.11), no nested quotes in f-strings (3.12). It is judged by
the runtime's own Python where there is one, else by the grammar of its version.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence, Syntax
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    compiled = evidence.probe.syntax if evidence.probe else {}
    python = ".".join(map(str, evidence.runtime.python))
    for source in evidence.sources:
        problem: Syntax | None = compiled.get(source.inside.removeprefix("src/"), source.syntax)
        packed = source.module in evidence.modules or source.inside == "setup.py"
        if problem is None or not packed:
            continue
        yield Finding(
            message=f"This does not parse with Python {python}, which the runtime has: "
            f"{problem.message}.",
            fix=f"Write it in the language of Python {python}.",
            path=source.path,
            line=problem.line,
            cloud="SyntaxError: invalid syntax",
            verified=False,
        )
