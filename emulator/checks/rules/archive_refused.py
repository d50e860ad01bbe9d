"""The archive cannot be read, or has members that lead outside of it.

Absolute names, `..`, links out, devices, or contents that unpack to gigabytes: it is not
unpacked here, and nobody should.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for archive in evidence.archives:
        if archive.refusal:
            yield Finding(
                message=archive.refusal,
                fix="Build the archive anew with `python setup.py sdist`.",
                cloud="The replica master 0 exited with a non-zero status of 1.",
            )
