"""One contract for every place where parts lie."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from emulator.storage.fake_gcs import FakeGcs
from emulator.storage.fake_gcs_parts import FakeGcsParts
from emulator.storage.memory import MemoryParts
from emulator.storage.outside_fake_gcs import OutsideFakeGcs
from emulator.storage.parts import Lost, Parts
from emulator.storage.values import Part

PLACES = ["memory", "fake-gcs-server", "fake-gcs-server elsewhere"]
Check = Callable[[Parts], Awaitable[None]]


@contextlib.asynccontextmanager
async def opened(place: str, program: Path, folder: Path) -> AsyncIterator[Parts]:
    if place == "memory":
        yield MemoryParts()
        return
    log = logging.getLogger("tests.storage")
    server = FakeGcs(program, folder, log)
    async with server.running():
        if place == "fake-gcs-server":
            yield FakeGcsParts(server, folder, log)
            return
        address = (await server.upstream()).address
        elsewhere = OutsideFakeGcs(f"http://{address[0]}:{address[1]}", log)
        async with elsewhere.running():
            yield FakeGcsParts(elsewhere, None, log)


@pytest.fixture(params=PLACES)
def hold(
    request: pytest.FixtureRequest, tmp_path: Path, fake_gcs_server: Path
) -> Callable[[Check], None]:
    """Runs a check over a fresh place."""

    async def run(check: Check) -> None:
        async with opened(request.param, fake_gcs_server, tmp_path) as parts:
            await check(parts)

    return lambda check: asyncio.run(run(check))


async def content(parts: Parts, part: Part, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in parts.read(part, start, end)])


def test_answers_what_was_written(hold: Callable[[Check], None]) -> None:
    async def check(parts: Parts) -> None:
        part = Part("a" * 32, 10)
        await parts.write(part, [b"0123", b"", b"456789"])
        assert await content(parts, part, 0, 10) == b"0123456789"
        assert await content(parts, part, 3, 7) == b"3456"
        assert await content(parts, part, 9, 10) == b"9"

    hold(check)


def test_keeps_a_part_of_several_megabytes(hold: Callable[[Check], None]) -> None:
    async def check(parts: Parts) -> None:
        pieces = [bytes([number]) * (1 << 20) for number in range(5)]
        part = Part("b" * 32, 5 << 20)
        await parts.write(part, pieces)
        assert await content(parts, part, (1 << 20) - 1, (2 << 20) + 1) == (
            b"\0" + b"\1" * (1 << 20) + b"\2"
        )

    hold(check)


def test_a_deleted_part_is_lost(hold: Callable[[Check], None]) -> None:
    async def check(parts: Parts) -> None:
        part, other = Part("c" * 32, 3), Part("d" * 32, 3)
        await parts.write(part, [b"abc"])
        await parts.write(other, [b"def"])
        await parts.delete(part.id)
        with pytest.raises(Lost):
            await content(parts, part, 0, 3)
        assert await content(parts, other, 0, 3) == b"def"

    hold(check)


def test_deleting_what_is_not_there_is_no_error(hold: Callable[[Check], None]) -> None:
    async def check(parts: Parts) -> None:
        await parts.delete("e" * 32)

    hold(check)
