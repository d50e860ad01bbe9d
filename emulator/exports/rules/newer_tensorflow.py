"""The model was exported by a newer TensorFlow than the runtime's.

It may work, and it is not what TensorFlow promises: a graph runs on the version that wrote it
and on later ones.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports.evidence import Evidence
from emulator.exports.graphs import is_newer
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    graph, target = evidence.served, evidence.target
    if graph is None or not is_newer(graph.tensorflow_version, target.tensorflow):
        return
    yield Finding(
        message=f"It was exported by TensorFlow {graph.tensorflow_version}; runtime version "
        f"{target.version} has {target.tensorflow}.",
        fix=f"Export with TensorFlow {target.tensorflow}, or deploy with a newer runtime version.",
        path=evidence.place,
    )
