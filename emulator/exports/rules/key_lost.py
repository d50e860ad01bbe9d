"""An output that repeats an input does not: the key of a row is lost.

Whoever asks for many rows tells them apart by a key that the model forwards.
"""

from collections.abc import Iterator
from typing import Final

from emulator import rows
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    batch = serving.batch if serving else None
    if serving is None or batch is None or batch.predictions is None:
        return
    for key in serving.wishes.keys:
        found = next(iter(rows.lost(batch.instances, batch.predictions, key)), "")
        if found:
            yield Finding(
                message=found,
                fix=f"Forward it: an input and an output {key}, "
                "tf.estimator's forward_features, or the input itself in the signature's outputs.",
                path=evidence.place,
            )
