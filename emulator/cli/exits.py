"""Exit codes: the table that the help of every command ends with."""

from collections.abc import Mapping
from typing import Final

import click

COMMON: Final[Mapping[str, str]] = {
    "0": "done",
    "1": "refused or failed; the reason is on standard error",
    "2": "the command line is wrong",
    "130": "interrupted",
}
_VERDICT: Final = {
    "0": "no errors (and, with --strict, no warnings)",
    "1": "errors, or the check itself could not be made",
    "3": "warnings, with --strict",
}
OWN: Final[Mapping[str, Mapping[str, str]]] = {  # what a command means by a code, else COMMON's
    "check": _VERDICT,
    "check-model": _VERDICT,
    "demo": {"0": "trained, exported, deployed and predicted"},
    "doctor": {"0": "the emulator can run here", "1": "it cannot; the reason is in the list"},
    "jobs submit training": {
        "0": "submitted; with --stream-logs: SUCCEEDED",
        "1": "refused; with --stream-logs: or the job did not succeed",
    },
    "predict": {"1": "refused, or the answer is an error"},
    "run": {
        "0": "the command answered 0",
        "1": "it could not be started, or answered 1",
        "2": "the command line is wrong, or the command answered 2",
        "other": "the command's own; 128 + N when signal N ended it",
    },
    "serve": {"0": "ended by SIGINT or SIGTERM"},
    "shell": {
        "0": "the shell answered 0",
        "1": "it could not be started, or answered 1",
        "other": "the shell's own; 128 + N when signal N ended it",
    },
}


def codes(path: str) -> dict[str, str]:
    """The codes of a command, by its words after ``cmle``; what ``--help`` and the docs show."""
    found = {**COMMON, **OWN.get(path, {})}
    return dict(sorted(found.items(), key=lambda it: (not it[0].isdigit(), it[0].zfill(3))))


def document(command: click.Command, path: str) -> None:
    """Let a command's help, and that of everything below it, end with its exit codes."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            document(below, f"{path} {name}")
    width = max(map(len, codes(path)))
    lines = [f"  {code:<{width}}  {text}" for code, text in codes(path).items()]
    command.epilog = "\n".join(["\b", "Exit codes:", *lines])
