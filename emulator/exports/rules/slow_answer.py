"""Answers take longer than `--latency-ms` allows, in 1 of 20 requests or more.

Measured here, one instance a request, after the first: the service's machines and its network
are others.
"""

from collections.abc import Iterator
from typing import Final

from emulator import latency
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    budget = serving.wishes.latency_s if serving else None
    timed = serving.singles[1:] if serving else ()
    if budget is None or not timed:
        return
    found = latency.percentile([answer.seconds for answer in timed], latency.SHARE)
    if found > budget:
        yield Finding(
            message=f"95 of 100 answers take up to {found * 1000:.1f} ms; "
            f"{budget * 1000:.1f} ms are allowed.",
            fix="Make the graph smaller, send several instances in a request, or allow more.",
            path=evidence.place,
        )
