"""A signature has a tensor that JSON requests or answers cannot carry.

Complex numbers, quantized numbers, resources, variants; sparse and composite tensors. An error
where the signature is the one that requests get by default.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import bad_model
from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.savedmodel import DEFAULT_SIGNATURE

SEVERITY: Final = Severity.ERROR

_NEVER: Final = ("complex", "resource", "variant", "invalid", "type ", "quint", "qint")


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, signature in evidence.signatures.items():
        first = name == DEFAULT_SIGNATURE or len(evidence.signatures) == 1
        for side, tensors in (("Input", signature.inputs), ("Output", signature.outputs)):
            for alias, tensor in tensors.items():
                dense = tensor.encoding == "dense"
                if dense and not tensor.dtype.startswith(_NEVER):
                    continue
                kind = tensor.dtype if dense else f"a {tensor.encoding} tensor"
                yield Finding(
                    message=f"{side} {alias} of {name} is {kind}.",
                    fix="Give the signature dense tensors of numbers, booleans or strings; "
                    "tf.sparse.to_dense, RaggedTensor.to_tensor, tf.math.real and tf.cast help.",
                    path=evidence.place,
                    cloud=_cloud(alias, side, dense=dense),
                    severity=None if first else Severity.WARNING,
                )


def _cloud(alias: str, side: str, *, dense: bool) -> str:
    if not dense:
        return bad_model("MetaGraph must have at least one signature_def.")
    if side == "Input":
        return service.failed(f"Input mismatch: the values of {alias} do not form a tensor.")
    return service.failed("Prediction failed during encoding instances: not JSON serializable")
