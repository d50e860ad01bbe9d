"""Loading the model would run commands or read and write files.

A pickle is a program. Models call the classes they are made of; this one calls into the
system. It was not loaded here. Do not load it anywhere before you know who made it.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import imports, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, pickle in evidence.pickles.items():
        found = sorted(it for it in pickle.names if imports.is_dangerous(it))
        if found:
            yield Finding(
                message=f"{name} would use {service.listed(found)} when it is loaded.",
                fix="Do not load it. Dump the fitted estimator alone, from a source you trust.",
                path=evidence.path(name),
            )
