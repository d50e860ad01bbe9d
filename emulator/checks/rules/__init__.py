"""The rules: a module each, found by being here. A rule's docstring is its documentation.

A module has ``SEVERITY`` (of its findings, unless one says otherwise) and
``check(evidence)``, a pure function that yields findings. ``NEEDS_RUN`` says that it has
nothing to look at before the job was run.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import msgspec

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

_RUN: Final = "Looked for with `--run` alone."


class Rule(msgspec.Struct, frozen=True):
    """``summary`` is the first line of its documentation, ``explanation`` the rest.

    Rules that ``needs_run`` look with ``--run`` alone.
    """

    name: str
    severity: Severity
    summary: str
    explanation: str
    check: Callable[[Evidence], Iterator[Finding]]
    needs_run: bool = False


@cache
def every() -> tuple[Rule, ...]:
    """All rules, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(_load(name) for name in names)


def _load(name: str) -> Rule:
    module = importlib.import_module(f"{__name__}.{name}")
    summary, _, explanation = inspect.cleandoc(module.__doc__ or "").partition("\n")
    needs_run = bool(getattr(module, "NEEDS_RUN", False))
    return Rule(
        name=name.replace("_", "-"),
        severity=module.SEVERITY,
        summary=summary,
        explanation="\n\n".join(filter(None, [explanation.strip(), _RUN if needs_run else ""])),
        check=module.check,
        needs_run=needs_run,
    )
