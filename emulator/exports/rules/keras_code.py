"""Keras stored Python bytecode with the model, for its Lambda layers.

The service runs the graph and never that code. Who loads the model with Keras runs it, and it
works only in the Python that wrote it.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.NOTE


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.keras_code:
        yield Finding(
            message=f"Layers hold Python bytecode: {service.listed(list(evidence.keras_code))}.",
            fix="Write a layer class instead of a Lambda if the model is to be loaded by Keras.",
            path=evidence.place,
        )
