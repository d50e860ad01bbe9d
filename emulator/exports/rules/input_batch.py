"""An input cannot take any number of instances.

Instances are stacked along an outer dimension: where it is fixed, or where the input is a
scalar, requests of another number are refused.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.savedmodel import describe_shape

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, signature in evidence.signatures.items():
        for alias, tensor in signature.inputs.items():
            shape = tensor.shape
            if shape is None or (shape and shape[0] is None):
                continue
            count = shape[0] if shape else 1
            fed = (2 if count == 1 else 1, *(size or 1 for size in shape[1:]))
            declared = describe_shape(shape)
            yield Finding(
                message=f"Input {alias} of {name} has the shape {declared}: a request must have "
                f"exactly {count} instance{'s' if count != 1 else ''}.",
                fix="Let its outer dimension be unknown: (None, …).",
                path=evidence.place,
                cloud=service.failed(
                    f"Input mismatch: Cannot feed value of shape {fed!r} for Tensor "
                    f"{tensor.name!r}, which has shape {declared!r}"
                ),
            )
