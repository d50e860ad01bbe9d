"""The graph has an operation that the runtime's TensorFlow does not have.

It is of another TensorFlow, or a custom one. A compiled library in assets.extra/ is loaded by
the service: then it is a warning, for nobody looked whether it fits.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    known = evidence.operations
    if known is None:
        return
    libraries = [name for name in evidence.files if name.startswith("assets.extra/")]
    custom = any(name.endswith(".so") for name in libraries)
    for op in sorted(evidence.ops - known.attributes.keys() - evidence.graph.functions):
        elsewhere = known.elsewhere.get(op, "")
        if elsewhere:
            fix = f"TensorFlow {elsewhere} has it: deploy with runtime version {elsewhere}, or "
            fix += f"export with TensorFlow {known.tensorflow}."
        else:
            fix = "It is a custom operation or of a newer TensorFlow: keep it out of the served "
            fix += "graph, or put its library into assets.extra/."
        yield Finding(
            message=f"TensorFlow {known.tensorflow} of runtime version "
            f"{evidence.target.version} has no operation {op}.",
            fix=fix,
            path=evidence.place,
            cloud=service.bad_data(
                f"Op type not registered '{op}' in binary running on localhost. Make sure the Op "
                "and Kernel are registered in the binary running in this process."
            ),
            severity=Severity.WARNING if custom and not elsewhere else None,
        )
