"""The machine types, counts or accelerators of the job do not go together.

Types and counts belong to the CUSTOM tier, which needs a master type; accelerators go to
Compute Engine types, in certain numbers, where the region has them.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.violations import findings
from emulator.errors import Violation
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_ROLES: Final = ("master", "worker", "parameter_server", "evaluator")


def is_machine(violation: Violation) -> bool:
    first = violation.field.removeprefix("job.training_input.").partition(".")[0]
    return any(first in {f"{role}_{end}" for end in _ENDS} for role in _ROLES)


_ENDS: Final = ("type", "count", "config")


def check(evidence: Evidence) -> Iterator[Finding]:
    yield from findings(
        evidence, is_machine, "See the table of machine types, and scaleTier: CUSTOM."
    )
