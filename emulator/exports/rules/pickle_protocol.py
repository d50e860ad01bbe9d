"""The pickle has a newer format than the runtime's Python can read."""

from collections.abc import Iterator
from typing import Final

from emulator.exports import imports, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    highest = imports.highest_protocol(evidence.target.python)
    for name, pickle in evidence.pickles.items():
        if pickle.protocol > highest:
            two = evidence.target.python.startswith("2")
            hint = (
                ". Please make sure the model was exported using python 2. Otherwise, please "
                "specify the correct 'python_version' parameter when deploying the model"
            )
            yield Finding(
                message=f"{name} has protocol {pickle.protocol}; Python "
                f"{evidence.target.python} reads up to {highest}.",
                fix=f"Dump it with protocol={highest}.",
                path=evidence.path(name),
                cloud=service.bad_file(
                    name, f"unsupported pickle protocol: {pickle.protocol}" + (hint if two else "")
                ),
                verified=two,
            )
