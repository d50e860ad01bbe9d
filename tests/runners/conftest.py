"""A place to run replicas in: a data directory whose lock we hold, at each isolation level."""

import asyncio
import contextlib
import fcntl
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import pytest

from emulator import shipped
from emulator.cluster import Bind, Exit, Isolation, Line, Network, Ref, Replica, SiteSpec
from emulator.isolation import probe
from emulator.runners.process import ProcessRunner, remove_folder

DEADLINE_S = 30.0
T = TypeVar("T")


class Bench:
    """Runs snippets of Python as replicas."""

    def __init__(self, data_dir: Path, isolation: Isolation) -> None:
        self.data_dir = data_dir
        self.isolation: Isolation = isolation
        self.instance = secrets.token_hex(6)
        self.runner = self.another_runner()
        self._lock = (data_dir / "lock").open("w")
        self.hold()

    def another_runner(self) -> ProcessRunner:
        return ProcessRunner(self.data_dir, self.instance)

    def hold(self) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)

    def let_go(self) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        self.run(self.runner.sweep(()))
        self._lock.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(2 * DEADLINE_S):
                return await work

        return asyncio.run(bounded())

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
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(sock, readable.set)
        await readable.wait()
        loop.remove_reader(sock)
        line, numbers, _, _ = socket.recv_fds(sock, 65536, 8)
        request = msgspec.json.decode(line)
        network = msgspec.convert(request["listen"], Network)
        self.networks.append(network)

        async def greet(visitor: socket.socket) -> None:
            await loop.sock_sendall(visitor, network.identity.name.encode())
            visitor.shutdown(socket.SHUT_WR)

        for number in numbers:
            listener = self._keep(socket.socket(fileno=number))
            self._begin(self._accept(listener, greet))
        await loop.sock_sendall(sock, b'{"ok":true}\n')
