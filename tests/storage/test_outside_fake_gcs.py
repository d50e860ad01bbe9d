import asyncio
import logging
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.storage.fake_gcs_parts import FakeGcsParts
from emulator.storage.outside_fake_gcs import OutsideFakeGcs
from emulator.storage.values import Part

LOG = logging.getLogger("tests.storage")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def served(program: Path, folder: Path, port: int) -> Iterator[None]:
    """Somebody else's fake-gcs-server."""
    options = f"-scheme http -host 127.0.0.1 -port {port} -backend filesystem -log-level error"
    process = subprocess.Popen([program, *options.split(), "-filesystem-root", folder])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_it_is_waited_for(tmp_path: Path, fake_gcs_server: Path) -> None:
    port = free_port()

    async def check() -> None:
        server = OutsideFakeGcs(f"http://127.0.0.1:{port}", LOG)
        opening = asyncio.create_task(server.running().__aenter__())
        await asyncio.sleep(0.3)
        assert not opening.done()
        with served(fake_gcs_server, tmp_path, port):
            await opening
            assert server.pid == 0
        await (await server.upstream()).aclose()

    asyncio.run(check())


def test_a_restart_of_it_loses_nothing(tmp_path: Path, fake_gcs_server: Path) -> None:
    port = free_port()
    part = Part("a" * 32, 4)

    async def check() -> None:
        server = OutsideFakeGcs(f"http://127.0.0.1:{port}", LOG)
        parts = FakeGcsParts(server, None, LOG)
        with served(fake_gcs_server, tmp_path, port):
            async with server.running():
                await parts.write(part, [b"kept"])

        async def read() -> bytes:
            return b"".join([piece async for piece in parts.read(part, 0, 4)])

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        assert not reading.done()
        with served(fake_gcs_server, tmp_path, port):
            assert await reading == b"kept"
        await (await server.upstream()).aclose()

    asyncio.run(check())


def test_one_that_never_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.storage.outside_fake_gcs._READY_S", 0.3)

    async def check() -> None:
        async with OutsideFakeGcs(f"http://127.0.0.1:{free_port()}", LOG).running():
            pytest.fail("nothing serves there")

    with pytest.raises(OperatorError, match=r"does not answer at http://127.0.0.1:\d+"):
        asyncio.run(check())


@pytest.mark.parametrize("url", ["https://a:1", "a:4443", "http://a:x", "http:///", "http://a/b"])
def test_addresses_are_checked(url: str) -> None:
    with pytest.raises(OperatorError, match="is no address of a fake-gcs-server"):
        OutsideFakeGcs(url, LOG)
