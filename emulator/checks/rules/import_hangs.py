"""Importing the module does not end, or kills the process.

An endless loop, a wait for input or for a server, or work at import that belongs into a
function; or the import ended the whole process (out of memory, a signal, `os._exit`).
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    probe = evidence.probe
    if probe is None:
        return
    if probe.outcome == "hung" and probe.hang is not None:
        yield Finding(
            message="Importing the module does not end.",
            fix="Move the work into a function that `if __name__ == '__main__'` calls.",
            path=probe.hang.path,
            line=probe.hang.line,
            cloud="The job stays RUNNING until maxRunningTime (7 days by default) is over.",
        )
    elif probe.outcome == "killed":
        last = probe.said.splitlines()[-1:] or ["It said nothing."]
        yield Finding(
            message=f"Importing the module ends the whole process. {last[0]}",
            fix="Do not end the process at import; see that it fits into memory.",
            cloud="The replica master 0 exited with a non-zero status.",
        )
