"""What a replica may use: kept by control groups where they can be made, else watched."""

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emulator.cluster import Exit, Line
from tests.runners.conftest import Bench, bench, data_dir, sandboxed

__all__ = ["bench", "data_dir", "sandboxed"]  # fixtures

Shim = Callable[[str], ModuleType]
MB = 1 << 20


class Refusing:
    """Stands for a machine where no control group can be made."""

    folders = ()
    ran_out_of_memory = False

    def __init__(self, name: str) -> None:
        del name

    def limit_memory(self, _: int) -> bool:
        return False

    limit_cpus = limit_processes = limit_memory

    def close(self) -> None:
        pass


@pytest.fixture
def without_groups(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    limits = shim("limits")
    monkeypatch.setattr(limits, "Groups", Refusing)
    return limits


def outcome(bench: Bench, code: str, **fields: Any) -> tuple[list[str], Exit]:
    lines: list[Line]
    lines, end = bench.outcome(textwrap.dedent(code), **fields)
    return [line.text for line in lines], end


def test_a_child_that_is_killed_for_memory_is_not_the_replicas_end(bench: Bench) -> None:
    code = """
        import subprocess, sys
        grow = "blocks = []\\nwhile True: blocks.append(bytearray(8 << 20))"
        child = subprocess.run([sys.executable, "-c", grow], stderr=subprocess.DEVNULL)
        print(child.returncode)
    """
    said, end = outcome(bench, code, memory_bytes=200 * MB)
    if end.code == 0:  # a group of the kernel's picks the child
        assert (said, end.out_of_memory) == (["-9"], False)
    else:  # who sums up can only end all
        assert (end.signal, end.out_of_memory) == (9, True)


def test_a_kill_is_not_for_memory(bench: Bench) -> None:
    _, end = outcome(bench, "import os; os.kill(os.getpid(), 9)", memory_bytes=200 * MB)
    assert (end.signal, end.out_of_memory, end.message) == (9, False, "")


def test_too_much_in_the_working_directory_ends_it(bench: Bench) -> None:
    code = """
        import time
        with open("large", "wb") as file:
            for _ in range(40):
                file.write(bytes(1 << 20))
        time.sleep(600)
    """
    _, end = outcome(bench, code, disk_bytes=20 * MB, work_dir="")
    assert (end.reason, end.signal, end.out_of_memory) == ("exited", 9, False)
    assert end.message.startswith("It was ended because its working directory held 4")
    assert "more than the 20 MB" in end.message


def test_as_much_as_is_allowed_does_not(bench: Bench) -> None:
    code = "import time; open('some', 'wb').write(bytes(5 << 20)); time.sleep(2.5)"
    _, end = outcome(bench, code, disk_bytes=20 * MB, work_dir="")
    assert (end.code, end.message) == (0, "")


def test_temporary_folders_are_bounded(sandboxed: Bench) -> None:
    code = """
        for folder in ("/tmp", "/dev/shm", "/root"):
            try:
                with open(folder + "/large", "wb") as file:
                    for _ in range(40):
                        file.write(bytes(1 << 20))
            except OSError as error:
                print(error.strerror)
    """
    said, end = outcome(sandboxed, code, disk_bytes=20 * MB)
    assert (said, end.code) == (["No space left on device"] * 3, 0)


def test_cpus_are_limited_where_they_can_be(bench: Bench, shim: Shim) -> None:
    """By a quota of a group, or by the CPUs that it may run on."""
    code = "import os; print(len(os.sched_getaffinity(0))); print(open('/proc/self/cgroup').read())"
    said, _ = outcome(bench, code, cpus=1.0)
    groups = shim("cgroups").Groups(f"cmle-test-{os.getpid()}")
    by_quota = groups.limit_cpus(1.0)
    groups.close()
    if by_quota:
        assert any("cmle-" in row for row in said[1:])
    else:
        assert said[0] == "1"


def test_processes_are_limited_where_they_can_be(bench: Bench, shim: Shim) -> None:
    groups = shim("cgroups").Groups(f"cmle-test-{os.getpid()}")
    limited = groups.limit_processes(20)
    groups.close()
    code = """
        import subprocess
        started = []
        try:
            for _ in range(40):
                started.append(subprocess.Popen(["/bin/sleep", "616.5"]))
        except OSError as error:
            print(error.strerror)
    """
    said, _ = outcome(bench, code, processes=20)
    log = (bench.runner.folder("site") / "supervisor.log").read_text()
    if limited:
        assert (said, log) == (["Resource temporarily unavailable"], "")
    else:
        assert said == []
        assert "is not limited to 20" in log


def test_groups_are_removed(bench: Bench) -> None:
    outcome(bench, "", cpus=1.0, memory_bytes=200 * MB, processes=100)
    left = list(Path("/sys/fs/cgroup").rglob(f"cmle-{bench.instance}*"))
    assert left == []


def test_whole_cpus_are_handed_out_in_turn(without_groups: ModuleType) -> None:
    said: list[str] = []
    allowed = os.sched_getaffinity(0)
    found = [without_groups.Limits("n", {"cpus": 1.0}, said.append).affinity for _ in allowed]
    if len(allowed) > 1:
        assert {cpu for cpus in found for cpu in cpus} == allowed
    assert without_groups.Limits("n", {"cpus": float(len(allowed))}, said.append).affinity is None
    assert said == []


def test_what_cannot_be_limited_is_said(without_groups: ModuleType) -> None:
    said: list[str] = []
    without_groups.Limits("n", {"cpus": 0.5, "processes": 9}, said.append)
    assert "The CPU is not limited to 0.5" in said[0]
    assert "processes is not limited to 9" in said[1]


def test_memory_is_summed_where_no_group_keeps_it(without_groups: ModuleType) -> None:
    block = bytearray(30 * MB)
    for limit, exceeded in ((10 * MB, True), (16384 * MB, False)):
        limits = without_groups.Limits("n", {"memory_bytes": limit}, print)
        assert limits.exceeded(os.getppid(), [], 0.0) == exceeded
        assert limits.ran_out_of_memory == exceeded
    assert block


def test_a_folder_is_measured_in_depth(shim: Shim, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(bytes(2 * MB))
    (tmp_path / "a" / "link").symlink_to("/usr")
    size_of = shim("limits").size_of
    assert 2 * MB <= size_of(str(tmp_path)) < 3 * MB
    assert size_of(str(tmp_path / "gone")) == 0
