"""An export was interrupted and left its temporary files.

TensorFlow writes an export under a temporary name (`temp-1574946000/`, `variables_temp/`) and
renames it when it is whole. What still has such a name is not.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import layout, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    found = sorted(name for name in evidence.files if layout.is_temporary(name))
    if found:
        yield Finding(
            message=f"{service.listed(found)} are of an export that did not end.",
            fix="Export again, or delete them; do not deploy a folder named temp-….",
            path=evidence.path(found[0]),
        )
