"""Which exit does what: the service's table of ends and its texts (service reference §4.7 on)."""

import signal
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from emulator.cluster import Exit

RESTARTS_PER_REPLICA: Final = 5
RETRIES_PER_JOB: Final = 3
TRACEBACK_LIMIT: Final = 2048
OMITTED: Final = "  [...]"
_SIGKILL: Final = 9
_LAST_COMMON: Final = 127
_LOST: Final = frozenset({"lost", "stopped", "abandoned"})


class Failure(msgspec.Struct, frozen=True):
    """A replica that failed: ``task_type`` and ``index`` as messages name it (``master 0``)."""

    task_type: str
    index: int
    exit: Exit


def is_retryable(end: Exit) -> bool:
    """Death by a signal that nobody asked for, or a lost machine; running out of memory is not.

    A replica that stopped with the emulator counts as one whose machine was lost, however it
    took it. So does a status over 127: what is not a common error may pass (§4.9).
    """
    if end.out_of_memory or end.reason == "failed_to_start":
        return False
    if end.reason in _LOST:
        return True
    if end.signal is not None:
        return end.signal != _SIGKILL
    return end.code is None or end.code > _LAST_COMMON


def is_done(end: Exit) -> bool:
    """It ended well, by itself."""
    return end.succeeded and end.reason not in _LOST


def error_message(failures: Sequence[Failure], *, project_number: str, job_id: str) -> str:
    """The job's ``errorMessage``: a block for each failed replica, then the line with the link."""
    blocks = [_block(failure) for failure in failures]
    return "\n".join([*blocks, "", _link(project_number, job_id)])


def shorten(traceback: str, limit: int = TRACEBACK_LIMIT) -> str:
    """Cut a traceback to ``limit`` bytes by leaving out the oldest frames."""
    text = traceback.rstrip("\n")
    if len(text.encode()) <= limit or "\n" not in text:
        return text.encode()[:limit].decode(errors="ignore")
    head, *rest = text.split("\n")
    while rest and len("\n".join([head, OMITTED, *rest]).encode()) > limit:
        rest.pop(0)
    while rest and rest[0].startswith("    "):  # never begin with a frame's source line
        rest.pop(0)
    return "\n".join([head, OMITTED, *rest])


def _block(failure: Failure) -> str:
    replica, end = f"The replica {failure.task_type} {failure.index}", failure.exit
    if end.out_of_memory or end.signal == _SIGKILL:
        if end.message and not end.out_of_memory:
            return f"{replica} exited with a non-zero status of 9(SIGKILL). {end.message}"
        return f"{replica} ran out-of-memory and exited with a non-zero status of 9(SIGKILL)"
    if end.reason == "failed_to_start":
        return f"{replica} could not be started: {end.message}"
    if end.code is None and end.signal is None:
        return f"{replica} was lost: {end.message or end.reason}"
    status = end.code if end.signal is None else f"{end.signal}({_signal_name(end.signal)})"
    first = f"{replica} exited with a non-zero status of {status}. "
    return f"{first}\n{shorten(end.traceback)}" if end.traceback else first


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else "unknown signal"


def _link(project_number: str, job_id: str) -> str:
    query = f'resource.type="ml_job"\nresource.labels.job_id="{job_id}"'
    return (
        "To find out more about why your job exited please check the logs: "
        f"https://console.cloud.google.com/logs/viewer?project={project_number}"
        f"&resource=ml_job%2Fjob_id%2F{job_id}&advancedFilter={quote(query, safe='._')}"
    )
