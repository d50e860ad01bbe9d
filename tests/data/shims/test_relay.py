"""The relay: bytes both ways, as they are, behind one line; and names of Google's alone."""

import asyncio
import contextlib
import importlib.util
import json
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from emulator.shipped import SHIMS

SECRET = "s" * 48
LARGE = 8 << 20


def load() -> Any:
    spec = importlib.util.spec_from_file_location("relay", SHIMS / "relay.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Relay:
    """One at work in the loop, in front of ``serve``."""

    def __init__(self, folder: Path) -> None:
        self.module = load()
        self.config = folder / "relay.json"
        self.gateway = free(socket.SOCK_STREAM)
        self.module.PORTS = (free(socket.SOCK_STREAM),)
        self.module.NAMES = free(socket.SOCK_DGRAM)
        self.config.write_text(
            json.dumps({"gateway": ["127.0.0.1", self.gateway], "secret": SECRET})
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.module.serve(str(self.config)))
        await asyncio.sleep(0.1)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.05)  # transports end in the loop's next turns

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.module.PORTS[0])


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says the greeting, then all that came, and ends once the other side has."""
    writer.write(await reader.readline())
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"end")
    writer.close()


def test_bytes_go_both_ways_and_each_may_end_first(tmp_path: Path) -> None:
    async def work() -> None:
        relay = Relay(tmp_path)
        server = await asyncio.start_server(echo, "127.0.0.1", relay.gateway)
        async with relay.running(), server:
            reader, writer = await relay.connect()
            port = relay.module.PORTS[0]
            assert await reader.readline() == f"cmle-relay {SECRET} 127.0.0.1 {port}\n".encode()
            data = bytes(range(256)) * (LARGE // 256)
            reading = asyncio.create_task(reader.read(-1))
            writer.write(data)
            await writer.drain()
            writer.write_eof()
            assert await reading == data + b"end"
            writer.close()

    run(work())


def test_what_is_said_at_once_is_not_lost(tmp_path: Path) -> None:
    async def work() -> None:
        relay = Relay(tmp_path)
        async with relay.running():
            reader, writer = await relay.connect()
            writer.write(b"early")
            writer.write_eof()
            await asyncio.sleep(0.3)  # there is no gateway yet
            async with await asyncio.start_server(echo, "127.0.0.1", relay.gateway):
                assert (await reader.read(-1)).endswith(b"\nearlyend")
            writer.close()

    run(work())


def test_a_slow_reader_holds_the_sender(tmp_path: Path) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                poured.append(65536)
                await writer.drain()

    poured: list[int] = []

    async def work() -> None:
        relay = Relay(tmp_path)
        async with relay.running(), await asyncio.start_server(pour, "127.0.0.1", relay.gateway):
            _, writer = await relay.connect()
            before = -1
            while before != sum(poured):  # until nothing moves any more
                before = sum(poured)
                await asyncio.sleep(0.5)
            assert 0 < before < 64 << 20
            writer.transport.abort()
            await asyncio.sleep(0.1)

    run(work())


def test_without_a_gateway_it_gives_up(tmp_path: Path) -> None:
    async def work() -> None:
        relay = Relay(tmp_path)
        relay.module.CONNECT_S = 0.3
        async with relay.running():
            reader, writer = await relay.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read(-1) == b""
            writer.close()

    run(work())


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("storage.googleapis.com", True),
        ("My-Bucket.Storage.googleapis.com", True),
        ("metadata.google.internal", True),
        ("metadata", True),
        ("packages.example", False),
        ("google.com.evil.example", False),
        ("notgoogle.com", False),
    ],
)
def test_names(name: str, known: bool) -> None:  # noqa: FBT001
    answer = load().respond(query(name), socket.inet_aton("10.1.2.3"))
    number, flags, questions, answers, _, _ = struct.unpack("!6H", answer[:12])
    assert (number, questions, answers) == (7, 1, int(known))
    assert flags & 0xF == (0 if known else 3)
    assert answer.endswith(socket.inet_aton("10.1.2.3")) == known


def test_there_are_no_addresses_of_the_other_protocol() -> None:
    answer = load().respond(query("storage.googleapis.com", 28), socket.inet_aton("10.1.2.3"))
    assert struct.unpack("!6H", answer[:12])[1] & 0xF == 0
    assert struct.unpack("!6H", answer[:12])[3] == 0


@pytest.mark.parametrize("packet", [b"", b"x", query("a.b")[:14], b"\xff" * 40])
def test_what_is_no_question_gets_no_answer(packet: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError, struct.error):
        assert load().respond(packet, b"\1\2\3\4") is None


def test_names_are_answered_on_the_network_that_asks(tmp_path: Path) -> None:
    async def work() -> None:
        relay = Relay(tmp_path)
        async with relay.running():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
                sock.connect(("127.0.0.1", relay.module.NAMES))
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(sock, b"nonsense")
                await loop.sock_sendall(sock, query("ml.googleapis.com"))
                answer = await loop.sock_recv(sock, 512)
        assert answer.endswith(socket.inet_aton("127.0.0.1"))

    run(work())
