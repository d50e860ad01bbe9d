"""The served model does not predict what training recorded for the same rows.

The usual causes: features prepared otherwise for serving, another checkpoint, dropout or
normalisation left in training mode.
"""

from collections.abc import Iterator
from typing import Final

from emulator import skew
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is None or not serving.replayed:
        return
    served = [row for answer in serving.replayed for row in answer.predictions or ()]
    recorded = [row.prediction for row in serving.wishes.recorded]
    if len(served) != len(recorded):
        return  # another rule says that instances are refused, or rows are missing
    found = skew.compare(recorded, served, serving.wishes.tolerance)
    if found.different:
        yield Finding(
            message=found.describe().replace("\n", "; "),
            fix="Compare how the training's input function and the serving one make features.",
            path=evidence.place,
        )
