"""The archive holds files that are too large for code.

It is uploaded with every submission, and downloaded and unpacked by every replica of every
trial. Data belongs into Cloud Storage.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
FILE_BYTES: Final = 10 << 20
ALL_BYTES: Final = 50 << 20


def check(evidence: Evidence) -> Iterator[Finding]:
    prefix = "" if evidence.root in {"", "."} else f"{evidence.root}/"
    for archive in evidence.archives:
        large = [member for member in archive.members if member.size > FILE_BYTES]
        for member in large:
            inside = member.name.partition("/")[2]
            yield Finding(
                message=f"{inside} has {member.size >> 20} MiB and is part of the archive.",
                fix="Put it into Cloud Storage, and leave it out of package_data.",
                path=f"{prefix}{inside}",
            )
        total = sum(member.size for member in archive.members)
        if total > ALL_BYTES and not large:
            yield Finding(
                message=f"{archive.name} unpacks to {total >> 20} MiB.",
                fix="Leave data out of the package.",
            )
