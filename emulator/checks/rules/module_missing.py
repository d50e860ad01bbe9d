"""The module that the job runs is not in the built archive.

`python3 -m MODULE` is all that the service does. The module name is wrong, or the
setup.py does not pack it: the one that gcloud generates packs the files of the
`--package-path` folder alone.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.checks.packing import module_of, why_missing
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.archives or any(archive.refusal for archive in evidence.archives):
        return
    module = module_of(evidence)
    if not module:
        return
    present = evidence.modules
    runnable = module in present and (
        f"{module}.__main__" in present or not _is_package(evidence, module)
    )
    if runnable:
        return
    request = evidence.request
    if module in present:
        message = f"{module} is a package and has no __main__.py, so it cannot be run."
        cloud = (
            f"/usr/bin/python3: No module named {module}.__main__; '{module}' is a package and "
            "cannot be directly executed"
        )
    else:
        message = f"The module {module} is not in the archive that is built."
        cloud = f"/usr/bin/python3: No module named {module}"
    yield Finding(
        message=message,
        fix=why_missing(evidence, module),
        path=request.path if request.line("pythonModule") else "",
        line=request.line("pythonModule"),
        cloud=cloud,
        verified=True,
    )


def _is_package(evidence: Evidence, module: str) -> bool:
    return f"{module.replace('.', '/')}/__init__.py" in evidence.installation.files
