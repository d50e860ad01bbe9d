"""How a container ended, from what the engine says of it."""

import calendar
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from emulator.cluster import Exit

RUNS: Final = frozenset({"running", "paused", "restarting", "removing"})
_SIGNALS: Final = range(129, 160)  # init's convention: 128 + the signal
_SIGKILL: Final = 9
_NEVER: Final = "0001-01-01"
_INIT: Final = re.compile(r"^\[FATAL tini \(\d+\)\] exec (.+) failed: (.+)$", re.MULTILINE)
_INIT_SAYS: Final = {
    "No such file or directory": "The program {0} cannot be run: the image has none.",
    "Permission denied": (
        "The program {0} cannot be run: it lacks the permission, or it belongs to root alone "
        "(replicas do not run as root)."
    ),
    "Exec format error": (
        "The program {0} cannot be run: it is not one for this machine's processor, or no "
        "program at all."
    ),
}
_LAST: Final = 5
_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z")


def is_over(state: Mapping[str, Any]) -> bool:
    return str(state["Status"]) not in RUNS


def end_of(state: Mapping[str, Any], *, stopped: bool, traceback: str = "") -> Exit:
    """The end that ``State`` of an inspection tells.

    ``OOMKilled`` is set also where a child was killed and the program went on: only with
    status 137 did the replica itself run out of memory.
    """
    started, ended = seconds(state["StartedAt"]), seconds(state["FinishedAt"])
    if not started:
        said = str(state.get("Error") or "")
        text = explained(said) if said else "It was made, but never started."
        return Exit("failed_to_start" if said else "lost", message=text)
    code = int(state["ExitCode"])
    signal = code - 128 if code in _SIGNALS else None
    return Exit(
        "stopped" if stopped else "exited",
        code=code if signal is None else None,
        signal=signal,
        out_of_memory=bool(state.get("OOMKilled")) and signal == _SIGKILL,
        traceback=traceback,
        started=started,
        ended=ended,
    )


def init_failure(lines: Sequence[str]) -> str:
    """Why init could not run the program, in words; empty if it could.

    The engine starts its own init, and that says such things on standard error.
    """
    found = _INIT.search("\n".join(lines[-_LAST:]))
    if found is None:
        return ""
    return _INIT_SAYS.get(found[2], "The program {0} cannot be run: {1}.").format(*found.groups())


def seconds(time: str) -> float:
    """RFC 3339 in UTC to seconds since the epoch; 0 for the engine's "never"."""
    found = _TIME.fullmatch(time)
    if found is None or time.startswith(_NEVER):
        return 0.0
    whole = calendar.timegm(tuple(map(int, found.groups()[:6])))
    return whole + float(found[7] or 0)


def explained(text: str) -> str:
    """The engine's refusal to make or start a container, in words for the job's owner."""
    text = " ".join(text.split())
    for pattern, sentence in _REFUSALS:
        if found := re.search(pattern, text):
            return sentence.format(*found.groups())
    return f"The Docker Engine could not start it: {text[:500]}."


_REFUSALS: Final = (
    (
        r"[Nn]o such image: (\S+?):?(?:\s|$)",
        (
            "The container image {0} is not on this machine, and nothing is fetched from a "
            "registry: build it, or bring it with `docker load`."
        ),
    ),
    (
        r'exec: "([^"]*)": executable file not found in \$PATH',
        "The program {0} cannot be run: it is not in the PATH of the image.",
    ),
    (
        r'exec: "([^"]*)": (?:stat \S+: )?no such file or directory',
        "The program {0} cannot be run: the image has none.",
    ),
    (
        r'exec: "([^"]*)": (?:stat \S+: )?permission denied',
        (
            "The program {0} cannot be run: it lacks the permission, or it belongs to root alone "
            "(replicas do not run as root)."
        ),
    ),
    (
        r"exec format error",
        "The program of the image is not one for this machine's processor, or no program at all.",
    ),
    (
        r"[Cc]annot mkdir: (\S+) is not a directory",
        "The image's working directory {0} is a file.",
    ),
    (
        r"Unknown runtime specified (\S+?)[.\s]*$",
        (
            "The engine has no runtime {0}: install the NVIDIA container toolkit and register it "
            "with the engine."
        ),
    ),
    (
        r"could not select device driver",
        "The engine cannot give GPUs to containers: it lacks the NVIDIA container toolkit.",
    ),
    (
        r"no space left on device",
        (
            "The disk of the Docker Engine is full. Free some space (`docker system df` shows what "
            "it holds) and submit again."
        ),
    ),
    (
        r"[Nn]o command specified",
        "The image names no program to run, and the job gives none.",
    ),
)
