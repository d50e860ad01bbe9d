"""The folder is larger than a version may be.

500 MB on the mls1 machine types, 10 GB on n1; everything in the folder counts.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import FIELD, MLS1_BYTES, N1_BYTES
from emulator.errors import Violation
from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    total = sum(evidence.files.values())
    machine = evidence.target.machine_type
    if total <= (N1_BYTES if machine.startswith("n1-") else MLS1_BYTES):
        return
    anywhere = total <= N1_BYTES and not machine
    limit = MLS1_BYTES if anywhere or machine.startswith("mls1") else N1_BYTES
    largest = max(evidence.files, key=lambda name: evidence.files[name])
    yield Finding(
        message=f"The folder has {service.sized(total)}; {largest} alone has "
        f"{service.sized(evidence.files[largest])}.",
        fix="Deploy it to an n1 machine type (up to 10 GB), or leave out what a request does not "
        "need: optimizer slots, checkpoints, other exports.",
        path=evidence.place,
        cloud=str(
            Violation(
                FIELD,
                f"The total size of files in {evidence.place} is {total} bytes, which exceeds the "
                f"allowed maximum of {limit} bytes",
            )
        ),
        severity=Severity.WARNING if anywhere else None,
    )
