"""The package imports a module of its own that is not in the built archive.

It works at home, where the folder lies beside: the generated setup.py leaves sub-packages
out, find_packages() leaves folders without `__init__.py` out, and a module or package
beside the package is left out by both.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.checks.packing import why_missing
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.archives or any(archive.refusal for archive in evidence.archives):
        return
    at_home = {source.module for source in evidence.sources}
    folders = {module.rpartition(".")[0] for module in at_home}
    for source, tree in trees.packed(evidence):
        seen: set[tuple[str, int]] = set()
        for found in trees.imports(source, tree):
            missing = _missing(found, evidence, at_home | folders)
            if not missing or found.optional or (missing, found.line) in seen:
                continue
            seen.add((missing, found.line))
            yield Finding(
                message=f"{missing} is imported here and is not in the archive that is built.",
                fix=why_missing(evidence, missing),
                path=source.path,
                line=found.line,
                cloud=f"ModuleNotFoundError: No module named '{missing}'",
                verified=True,
            )


def _missing(found: trees.Imported, evidence: Evidence, at_home: set[str]) -> str:
    """The first-party module that this import needs and nobody packs; "" if there is none."""
    top = found.module.partition(".")[0]
    if top not in evidence.first_party or top in evidence.runtime.modules:
        return ""
    inner = f"{found.module}.{found.name}"
    for module in (found.module, inner):
        if module in at_home and module not in evidence.modules:
            return module
    parts = found.module.split(".")
    whole = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    if found.module not in evidence.modules and found.module not in at_home:
        return next(name for name in whole if name not in evidence.modules)
    return ""
