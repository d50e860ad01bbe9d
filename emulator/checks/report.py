"""The reports of ``cmle check``."""

from collections.abc import Callable
from typing import Final

from emulator.checks import writing
from emulator.checks.findings import Report
from emulator.checks.rules import every

_TOOL: Final = "cmle check"


def _by(form: str, write: writing.Writer) -> Callable[[Report], str]:
    """Only SARIF tells about rules that found nothing; loading them all takes a moment."""

    def written(report: Report) -> str:
        return write(report, writing.Judge(_TOOL, every() if form == "sarif" else ()))

    return written


FORMATS: Final = {form: _by(form, write) for form, write in writing.FORMATS.items()}


def listing() -> str:
    """Every rule with its documentation: ``cmle check --list``."""
    return writing.listing(writing.Judge(_TOOL, every()))
