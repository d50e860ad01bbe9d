"""An instance has another prediction alone than among others.

Something in the graph depends on the batch: a normalisation over it, a global state, random
numbers. Predictions then depend on who else is asked about.
"""

from collections.abc import Iterator
from typing import Final

from emulator.comparison import Tolerance, differences, not_finite
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR

_SAME: Final = Tolerance(relative=1e-4, absolute=1e-5)  # of float32, summed in another order


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is None or serving.batch is None or serving.batch.predictions is None:
        return
    together = serving.batch.predictions
    if len(together) != len(serving.batch.instances):
        return
    for number, (answer, have) in enumerate(zip(serving.singles, together, strict=False)):
        alone = answer.predictions
        if not alone or len(alone) != 1:
            continue
        found = list(differences(alone[0], have, f"instance {number}", _SAME))
        if found and not list(not_finite(alone)):
            yield Finding(
                message=f"Alone and in a batch of {len(together)} differ: {found[0]}.",
                fix="Look for batch normalisation in training mode, dropout, random operations "
                "and statistics over the batch in the served graph.",
                path=evidence.place,
            )
            return
