"""An output has a fixed number of rows.

The outer dimension of an output is the batch and must be unknown.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import CREATE_FAILED
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.savedmodel import describe_shape

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, signature in evidence.signatures.items():
        for alias, tensor in signature.outputs.items():
            if tensor.shape and tensor.shape[0] is not None:
                yield Finding(
                    message=f"Output {alias} of {name} has the shape "
                    f"{describe_shape(tensor.shape)}: always {tensor.shape[0]} rows.",
                    fix="Feed a placeholder of shape (None, …), or trace with "
                    "tf.TensorSpec([None, …]); beware of reshapes to a fixed size.",
                    path=evidence.place,
                    cloud=f"{CREATE_FAILED}Model validation failed: Outer dimension for outputs "
                    f"must be unknown, outer dimension of '{tensor.name}' is {tensor.shape[0]}",
                    verified=True,
                )
