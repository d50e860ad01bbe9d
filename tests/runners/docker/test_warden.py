"""What a killed emulator leaves on the engine ends by itself, or is adopted in time."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.cluster import Ref
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.runners.docker import warden
from emulator.runners.docker.firewall import chain

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

DEADLINE_S = 60.0
REF = Ref("docker", "site", "master-0", "master-0-task")
EMULATOR = """
    import asyncio, sys
    from pathlib import Path
    from emulator.cluster import Network, Replica, SiteSpec
    from emulator.datadir import DataDir
    from emulator.identity import Identity, Kind
    from emulator.runners.docker import warden
    from emulator.runners.docker.engine import Engine
    from emulator.runners.docker.runner import DockerRunner

    async def image(_):
        return "cmle/probe:3.7"

    async def main(root, grace_s):
        data = DataDir(Path(root))
        data.open()
        await warden.start(data, "", float(grace_s))
        runner = DockerRunner(Engine.connect(), data.root, data.instance, image=image)
        replica = Replica(
            name="master-0",
            task="master-0-task",
            argv=("python3", "-u", "-c", "import time; print('up'); time.sleep(600)"),
            env={},
            image="cmle/probe:3.7",
            network=Network(Identity(Kind.JOB, "p", "job1")),
        )
        await (await runner.open(SiteSpec("site"))).start(replica)
        print("started", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await runner.stop_all(0.0)
        await runner.let_go()

    asyncio.run(main(*sys.argv[1:]))
"""


@contextlib.contextmanager
def emulator(bench: "DockerBench", grace_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """A process that owns the data directory and has started a replica; killed at the end."""
    (bench.data_dir / "instance").write_text(bench.instance)
    bench.let_go()
    command = [sys.executable, "-c", textwrap.dedent(EMULATOR), str(bench.data_dir), str(grace_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            yield process
        finally:
            process.kill()


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not check():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.1)


def is_empty(bench: "DockerBench") -> bool:
    return bool(bench.run(bench.another_runner().is_empty()))


def watching(bench: "DockerBench") -> int:
    pid = DataDir(bench.data_dir).warden_pid()
    assert pid is not None
    return pid


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def rules(bench: "DockerBench") -> bool:
    if os.geteuid() != 0 or shutil.which("iptables") is None:
        return False
    shown = subprocess.run(["iptables", "-w", "5", "-S"], capture_output=True, check=True)
    return chain(bench.instance).encode() in shown.stdout


@pytest.mark.docker
def test_after_the_grace_nothing_is_left(contained: "DockerBench") -> None:
    with emulator(contained, 1.0) as process:
        pid = watching(contained)
        process.send_signal(signal.SIGKILL)
    eventually(lambda: not is_alive(pid), "the end of the warden")
    assert is_empty(contained)
    assert not rules(contained)
    end = contained.run(contained.runner.wait(REF))
    assert end.reason == "stopped"
    assert [line.text for line in contained.run(contained.lines(REF))] == ["up"]


@pytest.mark.docker
def test_a_folder_that_is_gone_keeps_nothing_alive(contained: "DockerBench") -> None:
    with emulator(contained, 1.0) as process:
        pid = watching(contained)
        process.send_signal(signal.SIGKILL)
    shutil.rmtree(contained.data_dir)
    eventually(lambda: not is_alive(pid), "the end of the warden")
    assert is_empty(contained)
    assert not contained.data_dir.exists()


@pytest.mark.docker
def test_an_emulator_that_comes_in_time_goes_on(contained: "DockerBench") -> None:
    with emulator(contained, 2.0) as process:
        first = watching(contained)
        process.send_signal(signal.SIGKILL)
        process.wait()
        contained.hold()
        contained.run(warden.start(DataDir(contained.data_dir), "", 2.0))
    second = watching(contained)
    eventually(lambda: not is_alive(first), "the end of the first warden")

    async def work() -> None:
        await asyncio.sleep(3.0)  # longer than the grace
        await contained.until_line(REF, "up")

    contained.run(work())
    name = f"cmle-{contained.instance}-site-master-0"
    assert contained.engine.client.inspect_container(name)["State"]["Running"]
    assert is_alive(second)
    contained.run(contained.runner.stop_all(0.0))
    contained.let_go()
    eventually(lambda: not is_alive(second), "the end of the second warden")


@pytest.mark.docker
def test_it_goes_with_an_emulator_that_ends_in_order(contained: "DockerBench") -> None:
    with emulator(contained, 600.0) as process:
        pid = watching(contained)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0
    eventually(lambda: not is_alive(pid), "the end of the warden")


def test_a_warden_that_cannot_start_says_where_it_is_said(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "d")
    data.open()
    data.warden.mkdir()
    with pytest.raises(OperatorError, match=r"warden\.log says why"):
        asyncio.run(warden.start(data, "", 1.0))
    assert b"Is a directory" in (data.root / "warden.log").read_bytes()
    data.close()
