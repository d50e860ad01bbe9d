"""A prediction holds NaN or an infinity.

JSON has no word for them; strict readers refuse the whole answer.
"""

from collections.abc import Iterator
from typing import Final

from emulator.comparison import not_finite
from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is None:
        return
    for answer in serving.singles:
        for where, value in not_finite(answer.predictions or []):
            yield Finding(
                message=f"{service.shown(answer.instances[0])} has {value} in "
                f"{where.removeprefix('prediction 0') or 'its prediction'}.",
                fix="Look for divisions by zero, logarithms of zero and missing values.",
                path=evidence.place,
            )
            return
