"""The bytes of objects: parts written whole, read in ranges, deleted when unused."""

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import Final

from emulator.storage.database import Full
from emulator.storage.index import Index
from emulator.storage.parts import Lost, Parts
from emulator.storage.values import Part

PART: Final = 8 << 20  # bytes: see Blobs


class Blobs:
    """The parts of objects, and their end when nobody holds or reads them any more.

    fake-gcs-server locks all that it stores while it takes an upload: a slow client would stop
    every reader. It also keeps an upload in memory twice. So bytes go to it in parts that are
    complete before they are sent; an object is the list of its parts.
    """

    def __init__(self, parts: Parts, index: Index, log: logging.Logger) -> None:
        self._parts = parts
        self._index = index
        self._log = log
        self._being_written: set[str] = set()
        self._readers: Counter[str] = Counter()
        self._waste: asyncio.Queue[str] = asyncio.Queue()

    async def write(self, pieces: Sequence[bytes]) -> Part:
        """Store a part that nobody holds yet: ``done`` ends our own hold on it.

        Raises Full when the disk is, Lost when the server stays away.
        """
        part = Part(secrets.token_hex(16), sum(map(len, pieces)))
        self._being_written.add(part.id)
        self._index.reserve(part.id)
        try:
            await self._parts.write(part, pieces)
        except (Full, Lost):
            self.done([part])
            raise
        return part

    def done(self, parts: Iterable[Part]) -> None:
        """Give up our hold on parts just written: those that no object took are deleted."""
        ids = [part.id for part in parts]
        self._being_written.difference_update(ids)
        self.collect(ids)

    def collect(self, ids: Sequence[str]) -> None:
        """Delete those of the parts that nobody holds, some time soon."""
        for part_id in self._index.unused(ids):
            self._waste.put_nowait(part_id)

    def read(self, parts: Sequence[Part], start: int, end: int) -> "Reading":
        """The bytes from ``start`` to before ``end`` of the parts laid end to end."""
        return Reading(self, list(_ranges(parts, start, end)))

    def keep(self, ids: Sequence[str]) -> None:
        """Somebody reads these parts: they stay, whatever becomes of their object."""
        self._readers.update(ids)

    def let_go(self, ids: Sequence[str]) -> None:
        """One who read them has done."""
        self._readers.subtract(ids)
        unread = [part_id for part_id in ids if not self._readers[part_id]]
        for part_id in unread:
            del self._readers[part_id]
        self.collect(unread)

    async def sweep(self) -> None:
        """Delete what nobody holds, for ever; first what an earlier process left."""
        self.collect(self._index.unused())
        while True:
            part_id = await self._waste.get()
            if part_id in self._being_written or part_id in self._readers:
                continue  # comes back when that ends
            if not self._index.unused([part_id]):
                continue
            try:
                await self._parts.delete(part_id)
                self._index.forget(part_id)
            except (Lost, Full) as error:
                self._log.warning("A part stays until the next start: %s", error)

    def read_part(self, part: Part, start: int, end: int) -> AsyncGenerator[bytes]:
        return self._parts.read(part, start, end)


class Reading:
    """An object's bytes on their way out; ``close`` it when they are not wanted any more."""

    def __init__(self, blobs: Blobs, needed: Sequence[tuple[Part, int, int]]) -> None:
        self._blobs = blobs
        self._needed = needed
        self._ids = [part.id for part, _, _ in needed]
        blobs.keep(self._ids)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part, first, after in self._needed:
            async with contextlib.aclosing(self._blobs.read_part(part, first, after)) as pieces:
                async for piece in pieces:
                    yield piece

    def close(self) -> None:
        ids, self._ids = self._ids, []
        self._blobs.let_go(ids)


def _ranges(parts: Sequence[Part], start: int, end: int) -> Iterable[tuple[Part, int, int]]:
    """Which bytes of which parts lie between ``start`` and ``end``."""
    offset = 0
    for part in parts:
        first, after = max(start - offset, 0), min(end - offset, part.size)
        if first < after:
            yield part, first, after
        offset += part.size
