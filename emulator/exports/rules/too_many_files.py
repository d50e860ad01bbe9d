"""The folder has more files than a version may have: 1000."""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import FIELD, MAX_FILES
from emulator.errors import Violation
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    count = len(evidence.files)
    if count > MAX_FILES:
        yield Finding(
            message=f"The folder has {count} files, {MAX_FILES} are allowed.",
            fix="Deploy the export's own folder, not the training's; pack assets into fewer files.",
            path=evidence.place,
            cloud=str(
                Violation(
                    FIELD,
                    f"The number of files in {evidence.place} is {count}, which exceeds the "
                    f"allowed maximum of {MAX_FILES}",
                )
            ),
        )
