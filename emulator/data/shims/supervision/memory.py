"""A limit on the memory of a process and all its descendants, and whether it was hit.

Where this process may make a cgroup, the kernel keeps the limit; elsewhere ``watch``, called
a few times a second, adds up what the processes hold and says when it is too much.
"""

import os

from sandbox import descendants


class Memory:
    """``cgroup`` is the folder to put the process into, or None where we count ourselves."""

    def __init__(self, name: str, limit: int) -> None:
        self._limit = limit
        self._exceeded = False
        self.cgroup = _make_v1(name, limit) or _make_v2(name, limit)

    def watch(self, pid: int) -> bool:
        """Whether the processes below ``pid`` hold more than the limit, if we must count."""
        if self.cgroup is None and not self._exceeded:
            pids = descendants(pid)
            if sum(map(_own, pids)) > self._limit:  # counts pages shared by a fork twice …
                self._exceeded = sum(map(_share, pids)) > self._limit  # … so look closer
            return self._exceeded
        return False

    def close(self) -> bool:
        """Let go of the cgroup; answer whether the limit was hit."""
        if self.cgroup is None:
            return self._exceeded
        kills = max(
            _field(f"{self.cgroup}/{name}", "oom_kill")
            for name in ("memory.oom_control", "memory.events")
        )
        try:
            os.rmdir(self.cgroup)
        except OSError:
            pass  # a process is still dying in it: the next sweep removes it
        return kills > 0


def _make_v1(name: str, limit: int) -> str | None:
    for mount, own in _controllers():
        if "memory" in mount:
            return _make(f"/sys/fs/cgroup/memory{own}/{name}", "memory.limit_in_bytes", limit)
    return None


def _make_v2(name: str, limit: int) -> str | None:
    for mount, own in _controllers():
        if mount == [""]:
            return _make(f"/sys/fs/cgroup{own}/{name}", "memory.max", limit)
    return None


def _controllers() -> list[tuple[list[str], str]]:
    with open("/proc/self/cgroup") as file:
        rows = [line.rstrip("\n").split(":", 2) for line in file]
    return [(names.split(","), path.rstrip("/")) for _, names, path in rows]


def _make(folder: str, setting: str, limit: int) -> str | None:
    try:
        os.mkdir(folder)
    except OSError:
        return None
    try:
        # The setting exists only where the controller is on; never create a file instead.
        for name in (setting, "memory.memsw.limit_in_bytes", "memory.swap.max"):
            if name == setting or os.path.exists(f"{folder}/{name}"):
                handle = os.open(f"{folder}/{name}", os.O_WRONLY)
                try:
                    os.write(handle, str(0 if name == "memory.swap.max" else limit).encode())
                finally:
                    os.close(handle)
    except OSError:
        os.rmdir(folder)
        return None
    return folder


def _field(path: str, name: str) -> int:
    try:
        with open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.split()[0] == name)
    except OSError:
        return 0


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
