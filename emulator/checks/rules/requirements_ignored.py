"""There is a requirements.txt, and the service does not read it.

What is installed with a package is what `install_requires` of its setup.py names. A
requirements.txt that setup.py reads by itself, or that names only what the runtime has or
the package declares, is left alone.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import environments
from emulator.checks.evidence import Evidence
from emulator.checks.requirements import parse
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
_NAME: Final = "requirements.txt"


def check(evidence: Evidence) -> Iterator[Finding]:
    places = [name for name in evidence.data_files if name.rpartition("/")[2] == _NAME]
    places += [_NAME] if _NAME in evidence.beside else []
    declared = {requirement.name for requirement in environments.requires(evidence.archives)}
    base = evidence.runtime.distributions
    for inside in places:
        lines = evidence.texts.get(inside, "").splitlines()
        wanted = [parse(line) for line in lines]
        ignored = [
            each.text
            for each in wanted
            if each is not None
            and each.name not in declared
            and not each.allows(base.get(each.name, ""))
        ]
        if ignored:
            prefix = "" if evidence.root in {"", "."} else f"{evidence.root}/"
            yield Finding(
                message=f"{_NAME} is not read by the service: {', '.join(ignored)} would not be "
                "installed.",
                fix="Name them in install_requires of setup.py.",
                path=f"{prefix}{inside}",
                line=1,
            )
