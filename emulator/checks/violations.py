"""Findings for what the service's own validation refuses."""

from collections.abc import Callable, Iterator

from emulator import texts
from emulator.checks.evidence import Evidence, Request
from emulator.checks.request import camel
from emulator.errors import Violation
from emulator.findings import Finding

_GUESSES = tuple(
    value for name, value in vars(texts).items() if name.isupper() and isinstance(value, str)
)
_GUESSED_BEGINNINGS = (
    "The specified machine type is not supported: ",
    "A machine type must be specified when",
    "Accelerators cannot be attached",
    "The accelerator",
    "The path '",
    "'",
    "The label '",
)


def findings(
    evidence: Evidence, wanted: Callable[[Violation], bool], fix: str
) -> Iterator[Finding]:
    """One finding for each violation that ``wanted`` picks."""
    request = evidence.request
    for violation in request.violations:
        if wanted(violation):
            yield Finding(
                message=violation.description,
                fix=fix,
                path=request.path,
                line=_line(request, violation),
                cloud=_cloud(violation),
                verified=not _is_guess(violation.description),
            )


def _cloud(violation: Violation) -> str:
    if violation.description.startswith("Invalid JSON payload"):
        return violation.description
    return str(violation)


def _line(request: Request, violation: Violation) -> int:
    if not request.path:
        return 0
    named = violation.description.partition('Unknown name "')[2].partition('"')[0]
    for field in (named, *reversed(violation.field.split("."))):
        if field and (line := request.line(field) or request.line(camel(field))):
            return line
    return request.line("trainingInput")


def _is_guess(text: str) -> bool:
    return text in _GUESSES or text.startswith(_GUESSED_BEGINNINGS)
