"""An output is one value for the whole batch.

The service splits every output into one prediction an instance. With a scalar there is one
prediction whatever was asked, or a refusal beside an output that has rows.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, signature in evidence.signatures.items():
        scalars = [alias for alias, tensor in signature.outputs.items() if tensor.shape == ()]
        for alias in scalars:
            others = {other: 2 for other in signature.outputs if other not in scalars}
            sizes = {alias: 1, **others}
            yield Finding(
                message=f"Output {alias} of {name} is a scalar.",
                fix="Give it a row for each instance, for instance with tf.fill or tf.tile, or "
                "leave it out of the signature.",
                path=evidence.place,
                cloud=service.failed(
                    "Bad output from running tensorflow session: outputs had differing sizes in "
                    "the batch (outer) dimension. See the outputs and their size: "
                    f"{sizes}. Check your model for bugs that effect the size of the outputs."
                )
                if others
                else "",
                verified=bool(others),
            )
