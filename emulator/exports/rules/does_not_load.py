"""The runtime's server cannot load the model.

What it said is what the failed operation says.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is not None and serving.failure:
        yield Finding(
            message=f"Runtime version {evidence.target.version} cannot load it.",
            fix="The text of the failure says what is missing or of another version.",
            path=evidence.place,
            cloud=serving.failure,
        )
