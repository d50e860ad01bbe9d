"""The package imports a library that neither the runtime has nor the package declares.

The service installs what `install_requires` of setup.py names, and nothing else: what
happens to be installed on a developer's machine is not there. An import whose failure is
handled is left alone; one inside of a function is a warning.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import environments, trees
from emulator.checks.evidence import Evidence
from emulator.checks.requirements import canonical
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_DISTRIBUTIONS: Final = {
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
}


def check(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.runtime.modules:
        return
    for source, tree in trees.packed(evidence):
        seen: set[str] = set()
        for found in trees.imports(source, tree):
            name = found.module.partition(".")[0]
            if found.optional or name in seen or is_there(evidence, name):
                continue
            seen.add(name)
            wanted = _DISTRIBUTIONS.get(name, name)
            yield Finding(
                message=f"{name} is imported; runtime {evidence.runtime.version} does not have "
                "it, and the package does not declare it.",
                fix=f"Name it in setup.py: install_requires=[{wanted!r}].",
                path=source.path,
                line=found.line,
                cloud=f"ModuleNotFoundError: No module named '{name}'",
                verified=True,
                severity=Severity.WARNING if found.deferred else None,
            )


def is_there(evidence: Evidence, name: str) -> bool:
    """Whether a top-level name can be imported, or its distribution is at least declared."""
    known = evidence.runtime.modules | evidence.first_party | {"__future__", ""}
    overlay = {path.partition("/")[0].partition(".")[0] for path in evidence.installation.files}
    if name in known or name in overlay:
        return True
    declared = {requirement.name for requirement in environments.requires(evidence.archives)}
    return canonical(_DISTRIBUTIONS.get(name, name)) in declared
