import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from emulator.forward import Forward

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers when everything was said."""
    writer.write(b"said: " + await reader.read())
    await writer.drain()
    writer.close()


async def ask(port: int, words: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


async def ended(answer: Awaitable[bytes]) -> bool:
    """Whether a connection was ended without an answer, in one of the two ways."""
    try:
        return await answer == b""
    except ConnectionError:
        return True


def run(check: Callable[[Forward, Path, int], Awaitable[None]], folder: Path) -> None:
    async def opened() -> None:
        target = folder / "users.sock"
        forward = Forward(target)
        port = await forward.listen("127.0.0.1", 0)
        try:
            await check(forward, target, port)
        finally:
            await forward.close()

    asyncio.run(opened())


def test_both_ways_and_their_ends_are_passed_on(tmp_path: Path) -> None:
    async def check(_: Forward, target: Path, port: int) -> None:
        async with await asyncio.start_unix_server(echo, target):
            answers = await asyncio.gather(*(ask(port, b"x" * (1 << size)) for size in range(20)))
        assert answers == [b"said: " + b"x" * (1 << size) for size in range(20)]

    run(check, tmp_path)


def test_a_gateway_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    async def check(_: Forward, target: Path, port: int) -> None:
        asking = asyncio.create_task(ask(port, b"early"))
        await asyncio.sleep(0.3)
        assert not asking.done()
        async with await asyncio.start_unix_server(echo, target):
            assert await asking == b"said: early"

    run(check, tmp_path)


def test_a_gateway_that_stays_away_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.forward.WAIT_S", 0.2)

    async def check(_: Forward, __: Path, port: int) -> None:
        assert await ended(ask(port, b"in vain"))

    run(check, tmp_path)


def test_closing_ends_what_is_open(tmp_path: Path) -> None:
    async def check(forward: Forward, target: Path, port: int) -> None:
        async with await asyncio.start_unix_server(echo, target):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"unfinished")
            await asyncio.sleep(0.1)
            await forward.close()
            assert await ended(asyncio.wait_for(reader.read(), 20))
            writer.close()

    run(check, tmp_path)


def test_it_runs_as_a_program_and_ends_on_sigterm(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    target = tmp_path / "users.sock"
    argv = [sys.executable, "-P", "-m", "emulator.forward", str(port), str(target)]

    async def check() -> None:
        async with await asyncio.start_unix_server(echo, target):
            for _ in range(200):
                try:
                    assert await ask(port, b"hello") == b"said: hello"
                except ConnectionRefusedError:
                    await asyncio.sleep(0.1)
                else:
                    return
            pytest.fail("it never listened")

    process = subprocess.Popen(argv)
    try:
        asyncio.run(check())
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
