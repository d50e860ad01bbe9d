"""What /proc says of processes and their descendants."""

from __future__ import annotations

import os

_TICKS = os.sysconf("SC_CLK_TCK")


def descendants(of: int) -> list[int]:
    """All processes below ``of``, from what /proc says of parents."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            fields = _stat(int(name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    waiting = [of]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def cpu_seconds(of: int) -> float:
    """What ``of``, all below it and those of them that have ended used of the CPUs."""
    total = 0
    for pid in [of, *descendants(of)]:
        total += sum(map(int, _stat(pid)[11:15]))  # utime, stime, and those of waited-for children
    return total / _TICKS


def _stat(pid: int) -> list[bytes]:
    """The fields from the state on; none if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
