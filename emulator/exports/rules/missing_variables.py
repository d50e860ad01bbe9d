"""The graph has variables, and their values are not there.

They are in variables/variables.index and variables/variables.data-*. A model without them
deploys; each request fails then.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.findings import Finding, Severity
from emulator.exports import service
from emulator.exports.checkpoints import INDEX, shard_name
from emulator.exports.evidence import Evidence

SEVERITY: Final = Severity.ERROR

_VARIABLES: Final = frozenset({"VariableV2", "Variable", "VarHandleOp"})


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.served is None:
        return
    found = evidence.checkpoint
    if found is None:
        if _VARIABLES & evidence.ops:
            yield _finding(
                evidence,
                INDEX,
                service.failed(
                    "Exception during running the graph: Error while reading resource variable "
                    "from Container: localhost. This could mean that the variable was "
                    "uninitialized."
                ),
            )
        return
    for number in sorted({variable.shard for variable in found.variables}):
        name = shard_name(number, found.shards)
        if name not in evidence.files:
            yield _finding(
                evidence,
                name,
                service.bad_data(
                    f"Unsuccessful TensorSliceReader constructor: Failed to find any matching "
                    f"files for /tmp/model/0001/{name}"
                ),
            )


def _finding(evidence: Evidence, name: str, cloud: str) -> Finding:
    return Finding(
        message=f"The graph has variables, and {name} is not there.",
        fix="Copy the whole export, with its sub-folders.",
        path=evidence.path(name),
        cloud=cloud,
    )
