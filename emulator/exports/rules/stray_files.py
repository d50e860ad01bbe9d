"""Files in the folder are no part of the model.

They are copied with every version and count for its size and its number of files.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import layout, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.NOTE

_OF_MODEL: Final = (*layout.SAVED_MODEL, "keras_metadata.pb", "fingerprint.pb")
_BELOW: Final = ("variables/", "assets/", "assets.extra/", "debug/")


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.framework != "tensorflow":
        return
    found = sorted(
        name
        for name in evidence.files
        if name not in _OF_MODEL
        and not name.startswith(_BELOW)
        and name != "explanation_metadata.json"
        and not layout.is_temporary(name)
    )
    if found:
        size = service.sized(sum(evidence.files[name] for name in found))
        yield Finding(
            message=f"{len(found)} files ({size}) are no part of the SavedModel: "
            f"{service.listed(found)}.",
            fix="Keep them elsewhere.",
            path=evidence.path(found[0]),
        )
