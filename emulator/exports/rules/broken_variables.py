"""The files of the variables are damaged: cut off, or mixed from two exports."""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.checkpoints import INDEX, shard_name
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_INDEX: Final = "not an sstable (bad magic number)"
_SHARD: Final = "Read less bytes than requested"


def check(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.checkpoint
    if found is None:
        return
    if found.problem:
        yield _finding(evidence, INDEX, f"{INDEX} cannot be read: {found.problem}.", _INDEX)
        return
    needed: dict[str, int] = {}
    for variable in found.variables:
        name = shard_name(variable.shard, found.shards)
        needed[name] = max(needed.get(name, 0), variable.end)
    for name, size in sorted(needed.items()):
        if (have := evidence.files.get(name, size)) < size:
            text = f"{name} has {have} bytes; its index speaks of {size}."
            yield _finding(evidence, name, text, _SHARD)


def _finding(evidence: Evidence, name: str, message: str, cloud: str) -> Finding:
    return Finding(
        message=message,
        fix="Copy or export it again; an interrupted copy is the usual cause.",
        path=evidence.path(name),
        cloud=service.bad_data(cloud),
    )
