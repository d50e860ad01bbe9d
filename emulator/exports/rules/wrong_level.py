"""The SavedModel lies below the folder that would be deployed.

Exporters write into a folder named by the time (`export/exporter/1574946000/`), TensorFlow
Serving wants a folder per version; the service wants the one that has saved_model.pb in it.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import layout, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    below = layout.exports_below(evidence.files)
    if evidence.framework or not below:
        return
    depth = below[-1].count("/") + 1
    yield Finding(
        message=f"The SavedModel is {depth} level{'s' if depth > 1 else ''} below "
        f"{evidence.place}, in {below[-1]}/.",
        fix=f"Deploy {evidence.path(below[-1])}/ instead.",
        path=evidence.path(below[-1]),
        cloud=service.no_saved_model(evidence.place),
    )
