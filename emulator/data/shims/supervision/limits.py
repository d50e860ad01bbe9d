"""What one replica may use, kept by the kernel where it does so for us, else watched.

=========== =========================== ==================================================
            where control groups may be elsewhere
=========== =========================== ==================================================
memory      cgroup                      what the processes hold is summed five times a second
CPUs        cgroup (quota)              affinity, for whole numbers; else no limit
processes   cgroup                      no limit: RLIMIT_NPROC counts a user's, not a replica's
disk        the working folder is measured; /tmp is a tmpfs of that size in namespaces
=========== =========================== ==================================================
"""

import itertools
import os
import time
from collections.abc import Callable

from cgroups import Groups
from processes import descendants

_WATCH_S = 0.2
_MEASURE_S = 1.0
_MEASURE_SHARE = 20  # a folder that takes long to measure is measured less often
_MB = 1 << 20
_turns = itertools.count()


class Limits:
    """``affinity`` are the CPUs to run on, if not all; ``groups.folders`` what to join first."""

    def __init__(self, name: str, replica: dict, say: Callable[[str], None]) -> None:
        self.groups = Groups(name)
        self.affinity: list | None = None
        self.message = ""  # why it was ended
        self._memory = replica.get("memory_bytes")
        self._disk = replica.get("disk_bytes")
        self._summed = bool(self._memory) and not self.groups.limit_memory(self._memory)
        self._exceeded = False
        self._next_sum = self._next_measure = 0.0
        cpus, processes = replica.get("cpus"), replica.get("processes")
        if cpus and not self.groups.limit_cpus(cpus):
            self._bind(cpus, say)
        if processes and not self.groups.limit_processes(processes):
            say(f"The number of processes is not limited to {processes}: no cgroup for it here.")

    def _bind(self, cpus: float, say: Callable[[str], None]) -> None:
        allowed = sorted(os.sched_getaffinity(0))
        if cpus >= len(allowed):
            return
        if cpus != int(cpus):
            say(f"The CPU is not limited to {cpus}: no cgroup for it here.")
            return
        first = next(_turns) * int(cpus)
        self.affinity = [allowed[(first + at) % len(allowed)] for at in range(int(cpus))]

    @property
    def due(self) -> float:
        """When to call ``exceeded`` again, by the monotonic clock."""
        times = [float("inf")]
        if self._summed:
            times.append(self._next_sum)
        if self._disk:
            times.append(self._next_measure)
        return min(times)

    def exceeded(self, pid: int, folders: list, now: float) -> bool:
        """Whether the processes below ``pid`` must be ended, or what they wrote is too much."""
        if self._summed and now >= self._next_sum:
            self._next_sum = now + _WATCH_S
            self._exceeded = self._exceeded or self._holds_too_much(pid)
        if self._disk and now >= self._next_measure and not self.message:
            self._measure(folders, now)
        return self._exceeded or bool(self.message)

    @property
    def ran_out_of_memory(self) -> bool:
        return self._exceeded or self.groups.ran_out_of_memory

    def close(self) -> None:
        self.groups.close()

    def _holds_too_much(self, pid: int) -> bool:
        pids = descendants(pid)
        if sum(map(_own, pids)) <= self._memory:  # counts pages shared by a fork twice …
            return False
        return sum(map(_share, pids)) > self._memory  # … so look closer

    def _measure(self, folders: list, now: float) -> None:
        held = sum(map(size_of, folders))
        took = time.monotonic() - now
        self._next_measure = now + max(_MEASURE_S, took * _MEASURE_SHARE)
        if held > self._disk:
            self.message = (
                f"It was ended because its working directory held {held // _MB} MB, more than the "
                f"{self._disk // _MB} MB that a replica may write. Write large files to gs://."
            )


def size_of(folder: str) -> int:
    """The bytes that a folder takes on the disk."""
    total, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    total += status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue  # it went away meanwhile
    return total


def _own(pid: int) -> int:
    return _kilobytes(f"/proc/{pid}/status", "RssAnon:", "RssShmem:")


def _share(pid: int) -> int:
    """The process's share of what it holds; shared pages are divided among their users."""
    share = _kilobytes(f"/proc/{pid}/smaps_rollup", "Pss_Anon:", "Pss_Shmem:")
    return share or _own(pid)


def _kilobytes(path: str, *names: str) -> int:
    try:
        with open(path) as file:
            return 1024 * sum(int(line.split()[1]) for line in file if line.startswith(names))
    except OSError:
        return 0  # it ended meanwhile, or the kernel is too old to say
