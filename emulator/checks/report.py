"""The reports of ``cmle check``."""

from collections.abc import Callable
from typing import Final

from emulator import reports
from emulator.checks.rules import every
from emulator.findings import Report

_TOOL: Final = "cmle check"


def _by(form: str, write: reports.Writer) -> Callable[[Report], str]:
    """Only SARIF tells about rules that found nothing; loading them all takes a moment."""

    def written(report: Report) -> str:
        return write(report, reports.Judge(_TOOL, every() if form == "sarif" else ()))

    return written


FORMATS: Final = {form: _by(form, write) for form, write in reports.FORMATS.items()}


def listing() -> str:
    """Every rule with its documentation: ``cmle check --list``."""
    return reports.listing(reports.Judge(_TOOL, every()))
