"""A prediction does not fit the JSON Schema that was given."""

from collections.abc import Iterator
from typing import Final

from emulator import json_schema
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    predictions = serving.batch.predictions if serving and serving.batch else None
    if serving is None or predictions is None:
        return
    for number, prediction in enumerate(predictions):
        found = json_schema.violations(prediction, serving.wishes.schema, f"prediction {number}")
        if problem := next(found, ""):
            yield Finding(
                message=f"{problem}.",
                fix="Change the model or the schema.",
                path=evidence.place,
            )
            return
