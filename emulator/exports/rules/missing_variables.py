"""The graph has variables, and their values are not there.

They are in variables/variables.index and variables/variables.data-*.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import MODEL_TARGET
from emulator.exports import service
from emulator.exports.checkpoints import INDEX, shard_name
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR

_VARIABLES: Final = frozenset({"VariableV2", "Variable", "VarHandleOp"})


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.served is None:
        return
    found = evidence.checkpoint
    if found is None:
        if _VARIABLES & evidence.ops:
            prefix = f"{MODEL_TARGET}/{INDEX.removesuffix('.index')}"
            cloud = f"The passed save_path is not a valid checkpoint: {prefix}"
            yield _finding(evidence, INDEX, service.bad_data(cloud))
        return
    for number in sorted({variable.shard for variable in found.variables}):
        name = shard_name(number, found.shards)
        if name not in evidence.files:
            yield _finding(
                evidence,
                name,
                service.bad_data(
                    "Restoring from checkpoint failed. This is most likely due to a Variable name "
                    "or other graph key that is missing from the checkpoint. Please ensure that "
                    "you have not altered the graph expected based on the checkpoint. Original "
                    f"error:\n\n{MODEL_TARGET}/{name}; No such file or directory"
                ),
            )


def _finding(evidence: Evidence, name: str, cloud: str) -> Finding:
    return Finding(
        message=f"The graph has variables, and {name} is not there.",
        fix="Copy the whole export, with its sub-folders.",
        path=evidence.path(name),
        cloud=cloud,
    )
