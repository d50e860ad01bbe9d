"""The served graph calls Python code that is not in it.

tf.py_function and tf.py_func leave only a number in the graph; the function stays in the
process that exported it.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.exports.graphs import PYTHON
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_NEW: Final = "Could not find callback with key=pyfunc_0 in the registry."


def check(evidence: Evidence) -> Iterator[Finding]:
    old = evidence.target.tensorflow.startswith("1.")
    text = "callback pyfunc_0 is not found" if old else _NEW
    for op in sorted(PYTHON & evidence.graph.reachable):
        yield Finding(
            message=f"A request runs {op}: tf.py_function or tf.py_func in the served graph.",
            fix="Write it with TensorFlow's operations, do it before the request is sent, or "
            "deploy a custom prediction routine.",
            path=evidence.place,
            cloud=service.failed(f"Exception during running the graph: ValueError: {text}"),
        )
