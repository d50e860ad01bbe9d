"""An operation has an attribute that the runtime's TensorFlow does not know.

The model was exported by a newer TensorFlow, with a value that is not the attribute's default.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    model = evidence.served
    for attribute in evidence.graph.unknown_attributes if model else ():
        yield Finding(
            message=f"{attribute.op} has the attribute {attribute.name}, which TensorFlow "
            f"{evidence.target.tensorflow} does not know.",
            fix=f"Export with TensorFlow {evidence.target.tensorflow}, or deploy with a runtime "
            f"version that has TensorFlow {model.tensorflow_version if model else ''}.",
            path=evidence.place,
            cloud=service.bad_data(
                f"NodeDef mentions attr '{attribute.name}' not in Op<name={attribute.op}; …>. "
                "(Check whether your GraphDef-interpreting binary is up to date with your "
                "GraphDef-generating binary.)."
            ),
        )
