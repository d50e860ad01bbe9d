"""More than one export lies in the folder.

Only a SavedModel at the top is served; all others are copied with it and count for the size.
Without one at the top, it is for you to say which one is meant.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import layout, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    below = layout.exports_below(evidence.files)
    at_top = bool(evidence.framework)
    if len(below) < (1 if at_top else 2):
        return
    size = sum(n for name, n in evidence.files.items() if name.startswith(tuple(below)))
    if at_top:
        message = f"Below the model lie other exports, {service.sized(size)}: "
        fix = "Export into an empty folder, or move the others away."
    else:
        message = f"There are {len(below)} exports: "
        fix = f"Deploy one of them; {evidence.path(below[-1])}/ is the newest by its name."
    yield Finding(message=f"{message}{service.listed(below)}.", fix=fix, path=evidence.place)
