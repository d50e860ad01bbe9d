"""The signature takes serialized tf.Example records, not features.

That is what an estimator's parsing input receiver exports. Each instance is then the base64 of
a record: `{"b64": "…"}`.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.savedmodel import DEFAULT_SIGNATURE

SEVERITY: Final = Severity.NOTE

_PARSERS: Final = frozenset({"ParseExample", "ParseExampleV2", "ParseSingleExample"})


def check(evidence: Evidence) -> Iterator[Finding]:
    if not _PARSERS & evidence.ops:
        return
    for name, signature in evidence.signatures.items():
        if len(signature.inputs) == 1 and (
            len(evidence.signatures) == 1 or name == DEFAULT_SIGNATURE
        ):
            ((alias, tensor),) = signature.inputs.items()
            if tensor.dtype == "string" and tensor.shape in {(None,), None}:
                yield Finding(
                    message=f"Input {alias} of {name} seems to be a serialized tf.Example.",
                    fix='Send {"b64": base64 of example.SerializeToString()} for each instance, '
                    "or export with a raw serving input receiver to send features as JSON.",
                    path=evidence.place,
                )
