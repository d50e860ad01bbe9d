"""The rules: a module each, found by being here. A rule's docstring is its documentation.

A module has ``SEVERITY`` (of its findings, unless one says otherwise) and
``check(evidence)``, a pure function that yields findings.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity


class Rule(msgspec.Struct, frozen=True):
    """``summary`` is the first line of its documentation, ``explanation`` the rest."""

    name: str
    severity: Severity
    summary: str
    explanation: str
    check: Callable[[Evidence], Iterator[Finding]]


@cache
def every() -> tuple[Rule, ...]:
    """All rules, by name."""
    return tuple(map(_load, sorted(module.name for module in pkgutil.iter_modules(__path__))))


def _load(name: str) -> Rule:
    module = importlib.import_module(f"{__name__}.{name}")
    summary, _, explanation = (module.__doc__ or "").strip().partition("\n")
    return Rule(name.replace("_", "-"), module.SEVERITY, summary, explanation.strip(), module.check)
