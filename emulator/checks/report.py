"""The reports of ``cmle check``."""

from typing import Final

from emulator import reports
from emulator.checks.rules import every
from emulator.exports.rules import every as of_exports
from emulator.findings import Report

_TOOL: Final = "cmle check"


def write(report: Report, form: str) -> str:
    """A report in one of the formats."""
    # Only SARIF tells about rules that found nothing; loading them all takes a moment.
    rules: list[reports.Documented] = [*every(), *of_exports()] if form == "sarif" else []
    judge = reports.Judge(_TOOL, rules)
    return reports.FORMATS[form](report, judge)


def listing() -> str:
    """Every rule with its documentation: ``cmle check --list``."""
    return reports.listing(reports.Judge(_TOOL, every()))
