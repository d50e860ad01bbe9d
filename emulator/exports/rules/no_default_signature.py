"""None of several signatures is called serving_default.

A request that names no signature is answered by the only one there is, else by
serving_default; without it every request must carry signature_name.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.savedmodel import DEFAULT_SIGNATURE

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    names = sorted(evidence.signatures)
    if len(names) > 1 and DEFAULT_SIGNATURE not in names:
        yield Finding(
            message=f"The signatures are {service.listed(names)}; none is {DEFAULT_SIGNATURE}.",
            fix=f"Call one of them {DEFAULT_SIGNATURE}, or send signature_name with each request.",
            path=evidence.place,
            cloud=service.failed("No signature found for signature key None."),
        )
