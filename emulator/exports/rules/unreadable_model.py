"""The SavedModel's file is no SavedModel, or only a part of one."""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.unreadable:
        yield Finding(
            message=evidence.unreadable,
            fix="Copy or export it again; an interrupted copy is the usual cause.",
            path=evidence.place,
            cloud=service.bad_data(evidence.unreadable),
        )
