"""The reports of ``cmle check-model``."""

from typing import Final

from emulator.checks import writing
from emulator.checks.findings import Report
from emulator.exports.rules import every

TOOL: Final = "cmle check-model"


def write(report: Report, form: str) -> str:
    """A report in one of the formats."""
    return writing.FORMATS[form](report, _judge())


def listing() -> str:
    """Every rule with its documentation."""
    return writing.listing(_judge())


def _judge() -> writing.Judge:
    return writing.Judge(TOOL, every())
