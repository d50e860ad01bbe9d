"""The module cannot be imported in the runtime's Python.

Whatever the other rules do not explain: a name that a library of that version does not
have, an error of the module's own. An import that failed because it needs the network
cannot be judged here and is a warning.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence, Failure
from emulator.checks.rules import (
    contrib_on_2,
    import_missing,
    module_missing,
    package_data_missing,
    syntax_too_new,
    undeclared_dependency,
)
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_EXPLAIN: Final = {
    "ModuleNotFoundError": (
        module_missing.check,
        import_missing.check,
        undeclared_dependency.check,
        contrib_on_2.check,
    ),
    "ImportError": (module_missing.check, import_missing.check, contrib_on_2.check),
    "AttributeError": (contrib_on_2.check,),
    "SyntaxError": (syntax_too_new.check,),
    "IndentationError": (syntax_too_new.check,),
    "FileNotFoundError": (package_data_missing.check,),
}
_NETWORK: Final = ("ConnectionRefusedError", "ConnectionError", "gaierror", "URLError", "timeout")
_WORDS: Final = ("Connection refused", "Name or service not known", "Max retries", "credentials")


def check(evidence: Evidence) -> Iterator[Finding]:
    failure = evidence.probe.failure if evidence.probe else None
    if failure is None or _is_explained(evidence, failure):
        return
    network = failure.kind in _NETWORK or any(word in failure.message for word in _WORDS)
    yield Finding(
        message=f"Importing the module fails: {failure.kind}: {failure.message}"
        + (" (the check has no network, so this may be all of it)" if network else ""),
        fix="Do nothing at import that needs the network."
        if network
        else "Run it with the runtime's versions of its libraries: `cmle runtimes build`.",
        path=failure.path,
        line=failure.line,
        cloud=""
        if network
        else "The replica master 0 exited with a non-zero status of 1. \n"
        f"{failure.traceback.rstrip()}",
        verified=not network,
        severity=Severity.WARNING if network else None,
    )


def _is_explained(evidence: Evidence, failure: Failure) -> bool:
    return any(
        finding.level is Severity.ERROR
        for check_other in _EXPLAIN.get(failure.kind, ())
        for finding in check_other(evidence)
    )
