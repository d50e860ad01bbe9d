"""Predictions differ from those in the golden file."""

from collections.abc import Iterator
from typing import Final

from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR

_MOST: Final = 5


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    golden = serving.wishes.golden if serving else None
    found = serving.golden.predictions if serving and serving.golden else None
    if golden is None or found is None:
        return
    problems = golden.differences(found)
    if problems:
        more = f" (and {len(problems) - _MOST} more)" if len(problems) > _MOST else ""
        yield Finding(
            message=f"Predictions are not the golden ones: {'; '.join(problems[:_MOST])}{more}.",
            fix="If the new ones are right, --update-golden writes them.",
            path=evidence.place,
        )
