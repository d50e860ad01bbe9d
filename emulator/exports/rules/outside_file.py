"""The graph reads a file that is not part of the export.

A vocabulary that was not registered as an asset keeps the path it had where it was exported.
A gs:// path works as long as the service may read it, and is a warning.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for path in dict.fromkeys(evidence.graph.text_files):
        remote = path.startswith("gs://")
        yield Finding(
            message=f"A lookup table of the graph is read from {path}.",
            fix="Register the file as an asset: build the table inside the model (TensorFlow 2), "
            "or add its path to the ASSET_FILEPATHS collection (TensorFlow 1).",
            path=evidence.place,
            cloud="" if remote else service.bad_data(f"{path}; No such file or directory"),
            severity=Severity.WARNING if remote else None,
        )
