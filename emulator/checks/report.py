"""The reports of ``cmle check``."""

from collections.abc import Callable
from typing import Final

from emulator.checks import writing
from emulator.checks.findings import Report
from emulator.checks.rules import every

_JUDGE: Final = writing.Judge("cmle check", every())


def _by(write: writing.Writer) -> Callable[[Report], str]:
    return lambda report: write(report, _JUDGE)


FORMATS: Final = {form: _by(write) for form, write in writing.FORMATS.items()}


def listing() -> str:
    """Every rule with its documentation: ``cmle check --list``."""
    return writing.listing(_JUDGE)
