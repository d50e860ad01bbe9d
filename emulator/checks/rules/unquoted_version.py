"""A version stands in the YAML file without quotes.

YAML reads it as a number: `1.10` becomes 1.1, which is another version. It is an error
where the number loses a digit, a warning elsewhere.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    request = evidence.request
    for field, written in request.unquoted.items():
        changed = str(float(written)) != written
        became = f", and becomes {float(written):g}" if changed else ""
        yield Finding(
            message=f"{field}: {written} is a number in YAML{became}.",
            fix=f'Quote it: {field}: "{written}".',
            path=request.path,
            line=request.line(field),
            cloud=f"The specified runtime version '{float(written):g}' … is not supported or is "
            "deprecated."
            if changed
            else "",
            verified=changed,
            severity=Severity.ERROR if changed else None,
        )
