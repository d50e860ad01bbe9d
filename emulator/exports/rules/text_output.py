"""An output of bytes has a name that makes the service read it as text.

String outputs are decoded as UTF-8 unless their name ends with `_bytes`; those become
`{"b64": …}`. The graph has an operation that makes images or serialized records.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING

_BINARY: Final = frozenset(
    {
        "EncodeJpeg",
        "EncodePng",
        "EncodeWav",
        "SerializeTensor",
        "EncodeProto",
        "EncodeJpegVariableQuality",
    }
)


def check(evidence: Evidence) -> Iterator[Finding]:
    made_by = sorted(_BINARY & evidence.ops)
    if not made_by:
        return
    for name, signature in evidence.signatures.items():
        for alias, tensor in signature.outputs.items():
            if tensor.dtype == "string" and not alias.endswith("_bytes"):
                yield Finding(
                    message=f"Output {alias} of {name} is a string, and the graph has "
                    f"{service.listed(made_by)}.",
                    fix=f"If it is binary, call it {alias}_bytes.",
                    path=evidence.place,
                    cloud=service.failed(
                        "Prediction failed during encoding instances: 'utf-8' codec can't decode "
                        "byte 0xff in position 0: invalid start byte"
                    ),
                )
