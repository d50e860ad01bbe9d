"""Importing the module writes or deletes files, forks, starts programs or opens connections.

The service imports it as every test and every tool does. Files in the working directory
and below /tmp are left alone.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Event, Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
_HARMLESS: Final = ("/tmp/", "/var/tmp/", "/dev/")  # noqa: S108 - of the sandbox
_WORDS: Final = {
    "write": "writes to {}",
    "delete": "deletes {}",
    "fork": "forks a process ({})",
    "start": "starts a program ({})",
    "connect": "opens a connection to {}",
}


def check(evidence: Evidence) -> Iterator[Finding]:
    probe = evidence.probe
    seen: set[tuple[str, int, str]] = set()
    for event in probe.events if probe else ():
        key = (event.path, event.line, event.what)
        if key in seen or _is_harmless(event):
            continue
        seen.add(key)
        yield Finding(
            message=f"Importing this {_WORDS[event.what].format(event.target)}.",
            fix="Do it in a function that the module calls when it runs.",
            path=event.path,
            line=event.line,
        )


def _is_harmless(event: Event) -> bool:
    return event.what in {"write", "delete"} and event.target.startswith(_HARMLESS)
