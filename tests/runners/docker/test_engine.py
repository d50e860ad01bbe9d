"""An engine that is not there, hangs, refuses or dies: each is a sentence, nothing hangs."""

import asyncio
import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.cluster import Exit, Replica, SiteSpec
from emulator.errors import OperatorError
from emulator.runners.docker import containers, engine
from emulator.runners.docker.engine import Engine, EngineLost, Refusal
from emulator.runners.docker.runner import DockerRunner

if TYPE_CHECKING:
    from tests.runners.docker.conftest import PrivateEngine

PROBE = "cmle/probe:3.7"
LEFT = {"label": "cmle.site=site"}
PING = (
    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s"
)


@pytest.fixture
def socket_path() -> Iterator[Path]:
    folder = tempfile.TemporaryDirectory(prefix="cmle-engine-")
    with folder as name:
        yield Path(name) / "docker.sock"


@contextlib.contextmanager
def wedged(path: Path, *, answers: tuple[bytes, ...] = ()) -> Iterator[str]:
    """A socket that answers requests whose target holds one of ``answers``, and no others."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(50)
        held: list[socket.socket] = []

        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while head := connection.recv(65536):
                    target = head.split(b" ", 2)[1]
                    if any(word in target for word in answers):
                        body = b'{"ApiVersion": "1.41", "NCPU": 2, "MemTotal": 1, "Runtimes": {}}'
                        connection.sendall(PING % (len(body), body))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    held.append(connection)
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def test_no_engine(socket_path: Path) -> None:
    with pytest.raises(EngineLost, match="is not there: nothing listens on its socket"):
        Engine.connect(f"unix://{socket_path}")


def test_an_engine_that_is_not_running(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
    with pytest.raises(EngineLost, match="is not running"):
        Engine.connect(f"unix://{socket_path}")


def test_an_engine_that_never_answers(socket_path: Path) -> None:
    with wedged(socket_path) as address, pytest.raises(EngineLost, match="in time"):
        Engine.connect(address, within_s=0.3)


def test_a_call_that_hangs(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ANSWER_S", 0.3)
    with wedged(socket_path, answers=(b"/version", b"/info", b"/_ping")) as address:
        connected = Engine.connect(address)
        with pytest.raises(EngineLost, match="one of its containers hangs"):
            asyncio.run(connected.call(lambda client: client.inspect_container("x")))
        connected.close()


def test_a_job_with_a_hanging_engine_ends(
    socket_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ANSWER_S", 0.3)

    async def image(_: bool) -> str:  # noqa: FBT001 the runner's question
        return PROBE

    async def work() -> None:
        runner = DockerRunner(Engine.connect(address), tmp_path, "instance", image=image)
        with pytest.raises(OperatorError, match="did not answer within"):
            await runner.open(SiteSpec("site"))
        await runner.close("site")  # later, when the engine is back
        assert await runner.sweep(()) == []
        await runner.let_go()

    with wedged(socket_path, answers=(b"/version", b"/info", b"/_ping")) as address:
        asyncio.run(work())


@pytest.mark.docker
def test_what_the_engine_refuses(docker_engine: Engine) -> None:
    with pytest.raises(Refusal, match="No such container: nobody") as caught:
        asyncio.run(docker_engine.call(lambda client: client.inspect_container("nobody")))
    assert caught.value.is_missing
    assert caught.value.is_gone
    assert not caught.value.is_conflict


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_an_engine_that_dies_in_the_middle_of_a_job(
    private_engine: "PrivateEngine", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "GRACE_S", 1.0)

    async def image(_: bool) -> str:  # noqa: FBT001 the runner's question
        return PROBE

    async def work() -> Exit:
        connected = Engine.connect(private_engine.address)
        runner = DockerRunner(connected, tmp_path, "0123456789ab", image=image)
        site = await runner.open(SiteSpec("site"))
        argv = ("python3", "-u", "-c", "print('up')\nimport time; time.sleep(600)")
        ref = await site.start(Replica("m", "t", argv, {}, image=PROBE))
        lines = runner.follow(ref, 0)
        assert (await anext(lines)).text == "up"
        private_engine.kill()
        assert [line async for line in lines] == []
        end = await runner.wait(ref)
        with pytest.raises(EngineLost):
            await runner.open(SiteSpec("another"))
        await runner.close("site")
        await asyncio.to_thread(private_engine.start)
        async with asyncio.timeout(60):  # removed by itself, now that the engine is back
            while await connected.call(lambda client: client.containers(all=True, filters=LEFT)):
                await asyncio.sleep(0.2)
        await runner.stop_all(0.0)
        assert await connected.call(lambda client: client.networks(names=["cmle"])) == []
        await runner.let_go()
        return end

    end = asyncio.run(work())
    assert end.reason == "lost"
    assert "The end of" in end.message
