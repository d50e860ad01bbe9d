"""An instance is not answered.

One instance that fails makes the whole request fail: there are no predictions then.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is None:
        return
    answers = [*serving.singles, serving.batch, serving.golden, *serving.replayed]
    seen: set[str] = set()
    for answer in answers:
        if answer is None or answer.predictions is not None:
            continue
        text = answer.error or service.shown(answer.document)
        if text not in seen:
            seen.add(text)
            alone = len(answer.instances) == 1
            asked = service.shown(answer.instances[0]) if alone else "a batch"
            yield Finding(
                message=f"{asked} is not answered.",
                fix="Send what the signature takes, or change the export.",
                path=evidence.place,
                cloud=text,
            )
