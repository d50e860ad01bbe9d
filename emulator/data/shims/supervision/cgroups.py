"""Control groups for one replica, where this process may make any, of version 1 and 2.

In version 1 every controller has a tree of its own, in version 2 all share one; the new group
lies below the supervisor's own.
"""

import os

_PERIOD_US = 100000
CONTROLLERS = ("memory", "cpu", "pids")


class Groups:
    """``folders`` are those to put the process into, before it starts anything."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.folders: list = []

    def limit_memory(self, limit: int) -> bool:
        """No more than ``limit`` bytes, swap included; answer whether the kernel keeps to it."""
        v1 = (("memory.limit_in_bytes", limit), ("?memory.memsw.limit_in_bytes", limit))
        return self._limit("memory", v1, (("memory.max", limit), ("?memory.swap.max", 0)))

    def limit_cpus(self, cpus: float) -> bool:
        quota = max(1000, int(cpus * _PERIOD_US))
        v1 = (("cpu.cfs_period_us", _PERIOD_US), ("cpu.cfs_quota_us", quota))
        return self._limit("cpu", v1, (("cpu.max", f"{quota} {_PERIOD_US}"),))

    def limit_processes(self, count: int) -> bool:
        """No more than ``count`` processes and threads at once."""
        return self._limit("pids", (("pids.max", count),), (("pids.max", count),))

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the group for want of memory."""
        return any(
            _field(f"{folder}/{name}", "oom_kill") > 0
            for folder in self.folders
            for name in ("memory.oom_control", "memory.events")
        )

    def close(self) -> None:
        for folder in self.folders:
            try:
                os.rmdir(folder)
            except OSError:
                pass  # a process is still dying in it: the next sweep removes it

    def _limit(self, controller: str, v1: tuple, v2: tuple) -> bool:
        for names, own in _own_groups():
            if controller in names:
                return self._set(f"/sys/fs/cgroup/{controller}{own}/{self._name}", v1)
        for names, own in _own_groups():
            if names == [""]:
                return self._set(f"/sys/fs/cgroup{own}/{self._name}", v2)
        return False

    def _set(self, folder: str, settings: tuple) -> bool:
        """The settings exist only where the controller is on; never create a file instead."""
        try:
            if folder not in self.folders:
                os.mkdir(folder)
        except OSError:
            return False
        try:
            for name, value in settings:
                path = f"{folder}/{name.lstrip('?')}"
                if name[0] == "?" and not os.path.exists(path):
                    continue
                handle = os.open(path, os.O_WRONLY)
                try:
                    os.write(handle, str(value).encode())
                finally:
                    os.close(handle)
        except OSError:
            if folder not in self.folders:
                os.rmdir(folder)
            return False
        if folder not in self.folders:
            self.folders.append(folder)
        return True


def _own_groups() -> list:
    with open("/proc/self/cgroup") as file:
        rows = [line.rstrip("\n").split(":", 2) for line in file]
    return [(names.split(","), path.rstrip("/")) for _, names, path in rows]


def _field(path: str, name: str) -> int:
    try:
        with open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.split()[0] == name)
    except OSError:
        return 0
