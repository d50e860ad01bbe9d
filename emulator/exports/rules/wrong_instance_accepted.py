"""An instance that the signature does not allow is not refused with the service's error.

It was given a text where a number belongs, or an input that there is not.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    wrong = evidence.serving.wrong if evidence.serving else None
    if wrong is None or wrong.error.startswith("Prediction failed: "):
        return
    answered = "predictions" if wrong.predictions is not None else f"HTTP {wrong.status}"
    yield Finding(
        message=f"{service.shown(wrong.instances[0])} is answered with {answered}.",
        fix="Give the signature's inputs their types and shapes.",
        path=evidence.place,
        cloud=wrong.error,
    )
