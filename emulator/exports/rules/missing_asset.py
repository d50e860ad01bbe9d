"""A file that the graph reads is not in assets/."""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import MODEL_TARGET
from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for asset in evidence.graph.assets:
        name = f"assets/{asset.file}"
        if name not in evidence.files:
            yield Finding(
                message=f"The graph reads {name}, and it is not there.",
                fix="Copy the whole export, with its sub-folders.",
                path=evidence.path(name),
                cloud=service.bad_data(f"{MODEL_TARGET}/{name}; No such file or directory"),
            )
