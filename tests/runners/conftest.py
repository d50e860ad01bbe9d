"""A place to run replicas in: a data directory whose lock we hold, at each isolation level."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import pytest

from emulator import shipped
from emulator.cluster import (
    WORK_TARGET,
    Bind,
    Exit,
    Isolation,
    Line,
    Network,
    Ref,
    Replica,
    SiteSpec,
)
from emulator.isolation import probe
from emulator.runners.docker.engine import Engine
from emulator.runners.docker.files import Archive
from emulator.runners.docker.runner import DockerRunner
from emulator.runners.process import ProcessRunner, remove_folder

DEADLINE_S = 30.0
PROBE = "cmle/probe:3.7"
WITH_IPTABLES = "cmle/emulator:latest"
NOBODY = 65534
REGIONS = ("an-own-region1",)
T = TypeVar("T")


class Bench:
    """Runs snippets of Python as replicas. ``many`` lines are a lot for the runner."""

    many = 300_000
    deadline_s = 2 * DEADLINE_S

    def __init__(self, data_dir: Path, isolation: Isolation) -> None:
        self.data_dir = data_dir
        self.isolation: Isolation = isolation
        self.instance = secrets.token_hex(6)
        self._loop = asyncio.Runner()
        self.runner: ProcessRunner = self.another_runner()
        self._lock = (data_dir / "lock").open("w")
        self.hold()

    def another_runner(self) -> Any:
        return ProcessRunner(self.data_dir, self.instance, regions=REGIONS)

    def hold(self) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)

    def let_go(self) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        self.run(self.runner.sweep(()))
        self._loop.close()
        self._lock.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(self.deadline_s):
                return await work

        return self._loop.run(bounded())

    def replica(self, code: str, name: str = "master-0", **fields: Any) -> Replica:
        fields.setdefault("env", {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(shipped.CAPTURE)})
        fields.setdefault("work_dir", str(self.data_dir / "work"))
        return Replica(
            name=name,
            task=f"{name}-task",
            argv=fields.pop("argv", (sys.executable, "-u", "-c", code)),
            binds=(Bind(str(shipped.CAPTURE), str(shipped.CAPTURE)), *fields.pop("binds", ())),
            isolation=self.isolation,
            **fields,
        )

    async def start(self, code: str, site_id: str = "site", **fields: Any) -> Ref:
        site = await self.runner.open(SiteSpec(site_id, fields.pop("grace_s", 30.0)))
        return await site.start(self.replica(code, **fields))

    async def lines(self, ref: Ref, since: int = 0) -> list[Line]:
        return [line async for line in self.runner.follow(ref, since)]

    def outcome(self, code: str, **fields: Any) -> tuple[list[Line], Exit]:
        """Run a snippet to its end."""

        async def work() -> tuple[list[Line], Exit]:
            ref = await self.start(code, **fields)
            return await self.lines(ref), await self.runner.wait(ref)

        return self.run(work())

    async def until_line(self, ref: Ref, text: str) -> None:
        lines = self.runner.follow(ref, 0)
        async for line in lines:
            if line.text == text:
                await lines.aclose()  # type: ignore[attr-defined]
                return
        raise AssertionError(f"{ref.name} ended without the line {text!r}")

    async def touch(self, ref: Ref, name: str) -> None:
        """Make a file in the working directory."""
        del ref
        (self.data_dir / "work" / name).touch()

    def gateway(self) -> "FakeGateway":
        return FakeGateway(self.instance)

    @staticmethod
    async def until(condition: Callable[[], bool], what: str) -> None:
        """Wait for something that comes about by itself."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S:.0f} s"
            await asyncio.sleep(0.01)

    async def supervisor_pid(self, site_id: str = "site") -> int:
        pid = (await self.runner.ask(site_id, {"status": True}))["pid"]
        assert isinstance(pid, int)
        return pid


class DockerBench(Bench):
    """Runs them as containers of the probe image."""

    many = 20_000

    def __init__(self, data_dir: Path, engine: Engine) -> None:
        self.engine = engine
        super().__init__(data_dir, "container")

    def another_runner(self) -> DockerRunner:
        engine = Engine.connect()

        async def image(_: bool) -> str:  # noqa: FBT001 the runner's question
            return PROBE if os.geteuid() == 0 else WITH_IPTABLES

        return DockerRunner(engine, self.data_dir, self.instance, image=image, regions=REGIONS)

    def close(self) -> None:
        self.run(self._end())
        self._loop.close()
        self._lock.close()

    def replica(self, code: str, name: str = "master-0", **fields: Any) -> Replica:
        fields.setdefault("env", {"PYTHONPATH": str(shipped.CAPTURE)})
        return Replica(
            name=name,
            task=f"{name}-task",
            argv=fields.pop("argv", ("/usr/local/bin/python3", "-u", "-c", code)),
            binds=(Bind(str(shipped.CAPTURE), str(shipped.CAPTURE)), *fields.pop("binds", ())),
            isolation="container",
            image=fields.pop("image", PROBE),
            **fields,
        )

    async def _end(self) -> None:
        runner: Any = self.runner
        await runner.stop_all(0.0)
        await runner.let_go()

    async def touch(self, ref: Ref, name: str) -> None:
        archive = Archive()
        archive.content(f"{WORK_TARGET}/{name}", b"")
        data = archive.finished()
        archive.close()
        runner: Any = self.runner
        container = runner.container(ref)
        await self.engine.call(lambda client: client.put_archive(container, "/", data))


@pytest.fixture
def contained(data_dir: Path, docker_engine: Engine) -> Iterator[DockerBench]:
    """In containers alone."""
    with contextlib.closing(DockerBench(data_dir, docker_engine)) as bench:
        yield bench


@pytest.fixture(params=["namespaces", "none", pytest.param("container", marks=pytest.mark.docker)])
def anywhere(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Bench]:
    """In every runner, at each level that the machine has."""
    if request.param == "container":
        yield request.getfixturevalue("contained")
        return
    if request.param == "namespaces" and probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    with contextlib.closing(Bench(data_dir, request.param)) as bench:
        yield bench


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Short, and readable by every user: pytest's own folders are neither."""
    folder = Path(tempfile.mkdtemp(prefix="cmle-test-"))
    yield folder
    remove_folder(folder)


@pytest.fixture(params=["namespaces", "none"])
def bench(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Bench]:
    """At each level that the machine has."""
    level: Isolation = request.param
    if level == "namespaces" and probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    bench = Bench(data_dir, level)
    with contextlib.closing(bench):
        yield bench


@pytest.fixture
def sandboxed(data_dir: Path) -> Iterator[Bench]:
    """In namespaces alone."""
    if probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    bench = Bench(data_dir, "namespaces")
    with contextlib.closing(bench):
        yield bench


class FakeGateway:
    """The control protocol; whoever connects to a listener reads the identity's name.

    Leaving the block is like a killed gateway: all its copies of sockets go.
    """

    def __init__(self, instance: str) -> None:
        self._name = f"\0cmle-gateway-{instance}"
        self._serving: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []
        self.networks: list[Network] = []

    async def __aenter__(self) -> Self:
        control = self._keep(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        control.bind(self._name)
        control.listen()
        self._begin(self._accept(control, self._visit))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for sock in self._sockets:
            sock.close()

    def _keep(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
        self._sockets.append(sock)
        return sock

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._serving.add(asyncio.get_running_loop().create_task(work))

    async def _accept(
        self,
        listener: socket.socket,
        serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
    ) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            self._begin(serve(self._keep(sock)))

    async def _visit(self, sock: socket.socket) -> None:
        passes: dict[str, Network] = {}
        while True:
            line, numbers = await self._line(sock)
            if not line:
                return
            request = msgspec.json.decode(line)
            if "admit" in request:
                passes[request["admit"]["address"]] = self._told(request["admit"]["network"])
            elif "relay" in request:
                self._serve(numbers, self._relayed(passes))
            else:
                self._serve(numbers, self._greeting(self._told(request["listen"])))
            await asyncio.get_running_loop().sock_sendall(sock, b'{"ok":true}\n')

    async def _line(self, sock: socket.socket) -> tuple[bytes, list[int]]:
        loop = asyncio.get_running_loop()
        line, handles = b"", []
        while not line.endswith(b"\n"):
            readable = asyncio.Event()
            loop.add_reader(sock, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(sock)
            data, numbers, _, _ = socket.recv_fds(sock, 65536, 8)
            if not data:
                return b"", []
            line += data
            handles += numbers
        return line, handles

    def _told(self, network: Any) -> Network:
        told: Network = msgspec.convert(network, Network | None)
        self.networks.append(told)
        return told

    def _serve(
        self, numbers: list[int], greet: Callable[[socket.socket], Coroutine[Any, Any, None]]
    ) -> None:
        for number in numbers:
            listener = self._keep(socket.socket(fileno=number))
            self._begin(self._accept(listener, greet))

    @staticmethod
    def _greeting(
        network: Network,
    ) -> Callable[[socket.socket], Coroutine[Any, Any, None]]:
        async def greet(visitor: socket.socket) -> None:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(visitor, network.identity.name.encode())
            visitor.shutdown(socket.SHUT_WR)

        return greet

    def _relayed(
        self, passes: dict[str, Network]
    ) -> Callable[[socket.socket], Coroutine[Any, Any, None]]:
        async def greet(visitor: socket.socket) -> None:
            line = await asyncio.get_running_loop().sock_recv(visitor, 65536)
            await self._greeting(passes[line.split()[2].decode()])(visitor)

        return greet


@pytest.fixture
def nobodys_python() -> str:
    """An interpreter from 3.11 on that an ordinary user may run."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming an ordinary user needs root and setpriv")
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        # By way of a shell: setpriv's own exec may still go where root may go.
        command = [*become, "/bin/sh", "-c", 'exec "$0" -c "$1"', python, check]
        if subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0:
            return python
    pytest.skip("no Python from 3.11 on that an ordinary user may run")


@pytest.fixture
def fake_gateway() -> type[FakeGateway]:
    return FakeGateway
