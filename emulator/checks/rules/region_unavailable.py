"""The region is none of those that train."""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.violations import findings
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    yield from findings(
        evidence,
        lambda violation: violation.field == "region",
        "Choose one of the regions that the message names.",
    )
