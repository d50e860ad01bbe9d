"""setup.py does not build a source archive.

gcloud runs `python setup.py sdist` (in several forms) and gives up if none ends well.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    build = evidence.build
    if not build.failure and not build.hung:
        return
    setup = next((it.path for it in evidence.sources if it.inside == "setup.py"), "")
    words = [line for line in build.failure.splitlines() if line.strip()]
    said = next((line for line in reversed(words) if "Error" in line), words[-1] if words else "")
    yield Finding(
        message="setup.py does not end." if build.hung else f"setup.py does not build: {said}",
        fix="Run `python setup.py sdist` beside it.",
        path=setup,
        line=1 if setup else 0,
        cloud="" if build.hung else build.failure,
        verified=not build.hung,
    )
