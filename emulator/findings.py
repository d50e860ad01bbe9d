"""What a check found: findings, and the report that holds them."""

import enum
from typing import Final

import msgspec


class Severity(enum.StrEnum):
    """How bad: an error fails on the service, a warning may, a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        return _ORDER.index(self)


_ORDER: Final = tuple(Severity)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One place that breaks a rule.

    ``cloud`` is what the service would have said; ``verified`` says that the text was seen
    literally in a public report, otherwise it is a best guess. ``rule`` and an empty
    ``severity`` are filled in by the verdict.
    """

    message: str
    fix: str
    path: str = ""
    line: int = 0
    cloud: str = ""
    verified: bool = False
    severity: Severity | None = None
    rule: str = ""

    @property
    def level(self) -> Severity:
        return self.severity or Severity.ERROR

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.path and self.line else self.path


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one package: findings, the worst first, and what nobody looked at."""

    subject: str
    runtime: str
    findings: tuple[Finding, ...] = ()
    silenced: tuple[Finding, ...] = ()
    not_checked: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False

    def count(self, severity: Severity) -> int:
        return sum(finding.level is severity for finding in self.findings)

    @property
    def worst(self) -> Severity | None:
        return min((each.level for each in self.findings), key=lambda it: it.rank, default=None)
