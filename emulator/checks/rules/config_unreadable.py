"""The configuration file is no YAML, or holds no mapping."""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    problem = evidence.request.problem
    if problem is not None:
        yield Finding(
            message=f"The configuration cannot be read: {problem.message}.",
            fix="Correct the YAML: fields of the job stand below trainingInput, indented.",
            path=evidence.request.path,
            line=problem.line,
        )
