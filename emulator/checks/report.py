"""The reports of ``cmle check``."""

from typing import Final

from emulator import reports
from emulator.checks.rules import every
from emulator.findings import Report

_TOOL: Final = "cmle check"


def write(report: Report, form: str) -> str:
    """A report in one of the formats."""
    # Only SARIF tells about rules that found nothing; loading them all takes a moment.
    judge = reports.Judge(_TOOL, every() if form == "sarif" else ())
    return reports.FORMATS[form](report, judge)


def listing() -> str:
    """Every rule with its documentation: ``cmle check --list``."""
    return reports.listing(reports.Judge(_TOOL, every()))
