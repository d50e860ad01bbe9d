"""pip cannot install the archive into the runtime's Python.

The service runs two pip commands, twice; then the job FAILED. A dependency that does not
exist for that Python, a setup.py that reads a file which is not packed.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    installation = evidence.installation
    if not installation.failure:
        return
    words = [line.strip() for line in installation.log if line.strip()]
    errors = [line for line in words if line.startswith("ERROR: ") or "Error: " in line]
    said = errors[0].removeprefix("ERROR: ") if errors else (words[-1] if words else "")
    setup = next((it.path for it in evidence.sources if it.inside == "setup.py"), "")
    yield Finding(
        message=f"The archive cannot be installed: {said}",
        fix="Install the built archive into a fresh environment of the runtime's Python; what "
        "setup.py reads has to be in the archive (MANIFEST.in).",
        path=setup,
        line=1 if setup else 0,
        cloud=f"The replica master 0 exited with a non-zero status of 1. \n{installation.failure}",
        verified=True,
    )
