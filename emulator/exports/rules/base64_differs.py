"""A text as `{"b64": …}` has another prediction than the text itself.

The service decodes b64 wherever the signature takes strings, so both are the same bytes.
"""

from collections.abc import Iterator
from typing import Final

from emulator.comparison import Tolerance, differences
from emulator.exports import requests, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is None or serving.signature is None:
        return
    plain = {
        service.shown(requests.in_base64(it.instances[0], serving.signature)): it
        for it in serving.singles
    }
    for answer in serving.base64:
        original = plain.get(service.shown(answer.instances[0]))
        if original is None or original.predictions is None:
            continue
        found = (
            [answer.error]
            if answer.predictions is None
            else list(differences(original.predictions, answer.predictions, "it", Tolerance()))
        )
        if found:
            yield Finding(
                message=f"{service.shown(original.instances[0])} in base64 is answered otherwise: "
                f"{found[0]}.",
                fix="Do not decode base64 inside the graph; the service does it.",
                path=evidence.place,
                cloud=answer.error,
            )
