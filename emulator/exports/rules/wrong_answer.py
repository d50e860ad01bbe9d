"""A prediction is not what the signature promises.

As many predictions as instances, each with every output, of its type and its shape.
"""

from collections.abc import Iterator
from typing import Final

from emulator import json_schema
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR

_MOST: Final = 5


def check(evidence: Evidence) -> Iterator[Finding]:
    serving = evidence.serving
    if serving is None or serving.signature is None:
        return
    schema = json_schema.of(serving.signature)
    problems: dict[str, None] = {}
    for answer in filter(None, [*serving.singles, serving.batch]):
        found = answer.predictions
        if found is None:
            continue
        if len(found) != len(answer.instances):
            problems[f"{len(answer.instances)} instances have {len(found)} predictions"] = None
            continue
        for prediction in found:
            problems |= dict.fromkeys(json_schema.violations(prediction, schema, "prediction"))
    for problem in list(problems)[:_MOST]:
        yield Finding(
            message=f"The signature promises something else: {problem}.",
            fix="Make the graph's output one row for each instance, as its signature says.",
            path=evidence.place,
        )
