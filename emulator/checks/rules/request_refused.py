"""The service would refuse the request for another reason.

A field with an unknown name or at the wrong level, a value of the wrong type, a bad name,
a jobDir that is no gs:// path.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.rules.machine_refused import is_machine
from emulator.checks.rules.runtime_python_pair import FIELDS
from emulator.checks.violations import findings
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    yield from findings(
        evidence,
        lambda violation: (
            violation.field != "region"
            and violation.field.rpartition(".")[2] not in FIELDS
            and not is_machine(violation)
        ),
        "Correct the field; its place and its spelling are those of the published Job.",
    )
