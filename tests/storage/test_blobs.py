import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from emulator.storage.blobs import Blobs
from emulator.storage.database import Full
from emulator.storage.fake_gcs import BUCKET, FakeGcs
from emulator.storage.fake_gcs_parts import FakeGcsParts
from emulator.storage.index import Index
from emulator.storage.parts import Lost
from emulator.storage.values import Bucket, Object

DEADLINE_S = 20


class Room:
    """Blobs over a fake-gcs-server of their own."""

    def __init__(self, folder: Path, program: Path) -> None:
        log = logging.getLogger("tests.storage")
        self.files = folder / "blobs" / BUCKET
        self.index = Index(folder / "index.db")
        self.server = FakeGcs(program, folder / "blobs", log)
        parts = FakeGcsParts(self.server, folder / "blobs", log)
        self.blobs = Blobs(parts, self.index, log)

    def on_disk(self) -> set[str]:
        return {path.name for path in self.files.iterdir()} if self.files.exists() else set()

    async def until_on_disk(self, names: set[str]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.on_disk() != names:
                await asyncio.sleep(0.01)

    async def until_swept(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.on_disk() or self.index.unused():
                await asyncio.sleep(0.01)

    async def read(self, *args: object) -> bytes:
        reading = self.blobs.read(*args)  # type: ignore[arg-type]
        try:
            return b"".join([piece async for piece in reading])
        finally:
            reading.close()


@contextlib.asynccontextmanager
async def opened(folder: Path, program: Path) -> AsyncIterator[Room]:
    (folder / "blobs").mkdir(exist_ok=True)
    room = Room(folder, program)
    try:
        async with room.server.running():
            sweep = asyncio.create_task(room.blobs.sweep())
            try:
                yield room
            finally:
                sweep.cancel()
                await asyncio.wait([sweep])
    finally:
        room.index.close()


Run = Callable[[Callable[[Room], Awaitable[None]]], None]


@pytest.fixture
def run(tmp_path: Path, fake_gcs_server: Path) -> Run:
    def run(test: Callable[[Room], Awaitable[None]]) -> None:
        async def main() -> None:
            async with opened(tmp_path, fake_gcs_server) as room:
                await test(room)

        asyncio.run(main())

    return run


def test_parts_are_written_read_and_deleted(run: Run) -> None:
    async def test(room: Room) -> None:
        first = await room.blobs.write([b"abc", b"def"])
        second = await room.blobs.write([b"ghi"])
        parts = (first, second, first)
        assert room.on_disk() == {first.id, second.id}
        assert await room.read(parts, 0, 15) == b"abcdefghiabcdef"
        assert await room.read(parts, 5, 10) == b"fghia"
        assert await room.read(parts, 15, 15) == b""
        room.blobs.done([first, second])
        await room.until_swept()

    run(test)


def test_what_an_object_holds_stays(run: Run) -> None:
    async def test(room: Room) -> None:
        kept = await room.blobs.write([b"kept"])
        other = await room.blobs.write([b"other"])
        room.index.insert_bucket(Bucket("b", "p", 0, 0))
        room.index.put(Object("b", "o", 0, 1, 4, 0, b"", 0, 0, (kept,)))
        room.blobs.done([kept, other])
        await room.until_on_disk({kept.id})

    run(test)


def test_a_reader_keeps_what_is_gone(run: Run) -> None:
    async def test(room: Room) -> None:
        part = await room.blobs.write([b"x" * 100])
        reading = room.blobs.read([part], 0, 100)
        room.blobs.done([part])
        other = await room.blobs.write([b"y"])
        room.blobs.done([other])
        await room.until_on_disk({part.id})  # the other one was swept after it
        assert b"".join([piece async for piece in reading]) == b"x" * 100
        reading.close()
        await room.until_on_disk(set())

    run(test)


def test_what_a_killed_process_left_is_swept_at_the_start(
    tmp_path: Path, fake_gcs_server: Path
) -> None:
    async def write() -> None:
        async with opened(tmp_path, fake_gcs_server) as room:
            await room.blobs.write([b"nobody's"])
            room.index.reserve("0" * 32)
            (room.files / ("0" * 32)).write_bytes(b"torn, without attributes")

    async def look() -> None:
        async with opened(tmp_path, fake_gcs_server) as room:
            await room.until_swept()

    asyncio.run(write())
    asyncio.run(look())


def test_a_killed_server_is_started_again_and_nothing_is_lost(run: Run) -> None:
    async def test(room: Room) -> None:
        part = await room.blobs.write([b"before"])
        for turn in range(3):
            pid = room.server.pid
            await _kill(pid)
            assert await room.read([part], 0, 6) == b"before"
            assert room.server.pid != pid
            later = await room.blobs.write([b"after %d" % turn])
            assert await room.read([later], 0, 7) == b"after %d" % turn

    run(test)


def test_a_server_killed_in_the_middle_of_reading_and_writing(run: Run) -> None:
    async def test(room: Room) -> None:
        content = [bytes([number]) * (1 << 20) for number in range(8)]
        part = await room.blobs.write(content)
        got = b""
        reading = room.blobs.read([part], 0, part.size)
        async for piece in reading:
            if not got:
                await _kill(room.server.pid)
            got += piece
        reading.close()
        assert got == b"".join(content)
        writing = asyncio.create_task(room.blobs.write(content))
        await asyncio.sleep(0)
        await _kill(room.server.pid)
        written = await writing
        assert await room.read([written], 0, written.size) == b"".join(content)

    run(test)


def test_a_blob_that_somebody_removed_is_told(run: Run) -> None:
    async def test(room: Room) -> None:
        part = await room.blobs.write([b"x"])
        (room.files / part.id).unlink()
        with pytest.raises(Lost, match=part.id):
            await room.read([part], 0, 1)

    run(test)


def test_a_disk_that_takes_nothing_is_full(run: Run) -> None:
    async def test(room: Room) -> None:
        limited = await asyncio.create_subprocess_exec(
            "prlimit", f"--pid={room.server.pid}", "--fsize=100000"
        )
        assert await limited.wait() == 0
        small = await room.blobs.write([b"fits"])
        with pytest.raises((Full, Lost)):
            await room.blobs.write([bytes(1_000_000)])
        await room.until_on_disk({small.id})

    run(test)


async def _kill(pid: int) -> None:
    process = await asyncio.create_subprocess_exec("kill", "-9", str(pid))
    await process.wait()
