"""The reports of ``cmle check-model``."""

from typing import Final

from emulator import reports
from emulator.exports.rules import every
from emulator.findings import Report

TOOL: Final = "cmle check-model"


def write(report: Report, form: str) -> str:
    """A report in one of the formats."""
    return reports.FORMATS[form](report, _judge())


def listing() -> str:
    """Every rule with its documentation."""
    return reports.listing(_judge())


def _judge() -> reports.Judge:
    return reports.Judge(TOOL, every())
