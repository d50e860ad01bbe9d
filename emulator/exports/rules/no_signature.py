"""The served graph has no signature, so nothing can be asked of it.

TensorFlow 2 saves a bare module or a model that was never called without one.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import bad_model
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.served is None or evidence.signatures:
        return
    yield Finding(
        message="The graph tagged serve has no signature.",
        fix="Save with signatures=: tf.saved_model.save(model, folder, signatures=serve), with "
        "serve a tf.function that has an input_signature.",
        path=evidence.place,
        cloud=bad_model("MetaGraph must have at least one signature_def."),
        verified=True,
    )
