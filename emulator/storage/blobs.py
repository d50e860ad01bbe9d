"""Bytes in fake-gcs-server: parts written whole, read in ranges, deleted when unused."""

import asyncio
import contextlib
import logging
import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Final

from emulator.connection import Headers
from emulator.errors import CmleError
from emulator.storage.database import Full
from emulator.storage.fake_gcs import BUCKET, FakeGcs
from emulator.storage.index import Index
from emulator.storage.values import Part
from emulator.upstream import Answer, Broken, Unreachable

PART: Final = 8 << 20  # bytes: see Blobs
_PATIENCE_S: Final = 45.0  # for a fake-gcs-server that is being started again
_PAUSE_S: Final = 0.05
_ENOUGH: Final = 64 << 20  # bytes free: a failure with less is the disk's
_OK: Final = 200
_PARTIAL: Final = 206
_NOT_FOUND: Final = 404
_UPLOAD: Final = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name="
_DOWNLOAD: Final = f"/download/storage/v1/b/{BUCKET}/o/"
_DELETE: Final = f"/storage/v1/b/{BUCKET}/o/"


class Lost(CmleError):
    """fake-gcs-server cannot give or take bytes, and trying again did not help."""


class Blobs:
    """The parts of objects, and their end when nobody holds or reads them any more.

    fake-gcs-server locks all that it stores while it takes an upload: a slow client would stop
    every reader. It also keeps an upload in memory twice. So bytes go to it in parts that are
    complete before they are sent; an object is the list of its parts.
    """

    def __init__(self, server: FakeGcs, root: Path, index: Index, log: logging.Logger) -> None:
        self._server = server
        self._root = root
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
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", b"%d" % part.size),
        ]
        answer = await self._ask("POST", _UPLOAD + part.id, headers, pieces)
        text = await answer.read()
        if answer.status == _OK:
            return part
        self.done([part])
        if b"no space" in text or b"quota" in text or self._free() < _ENOUGH:
            raise Full(f"fake-gcs-server: {text[:200].decode(errors='replace')}")
        raise Lost(f"fake-gcs-server answered {answer.status} to a write: {text[:200]!r}")

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
                answer = await self._ask("DELETE", _DELETE + part_id, [])
                await answer.read()
                if answer.status == _NOT_FOUND:  # never finished: it may lie there torn
                    (self._root / BUCKET / part_id).unlink(missing_ok=True)
                if answer.status in {_OK, _NOT_FOUND}:
                    self._index.forget(part_id)
            except (Lost, Full) as error:
                self._log.warning("A part stays until the next start: %s", error)

    async def read_part(self, part: Part, start: int, end: int) -> AsyncGenerator[bytes]:
        while start < end:
            headers = []
            if start > 0 or end < part.size:
                headers = [(b"range", b"bytes=%d-%d" % (start, end - 1))]
            answer = await self._ask("GET", f"{_DOWNLOAD}{part.id}?alt=media", headers)
            async with answer:
                if answer.status not in {_OK, _PARTIAL}:
                    raise Lost(f"The blob {part.id} is not in fake-gcs-server: {answer.status}.")
                try:
                    async for piece in answer.body:
                        start += len(piece)
                        yield piece
                except Broken as error:
                    self._log.warning("Reading on after a break: %s", error)
                else:
                    if start < end:
                        raise Lost(f"The blob {part.id} is shorter than it was.")

    async def _ask(
        self, method: str, target: str, headers: Headers, pieces: Sequence[bytes] = ()
    ) -> Answer:
        """One request, repeated while fake-gcs-server is being started again."""
        try:
            async with asyncio.timeout(_PATIENCE_S) as patience:
                while True:
                    upstream = await self._server.upstream()
                    try:
                        body = pieces[0] if len(pieces) == 1 else _each(pieces)
                        answer = await upstream.send(
                            method, target, headers, body if pieces else None
                        )
                    except (Unreachable, Broken) as error:
                        self._log.info("Asking fake-gcs-server again: %s", error)
                        await asyncio.sleep(_PAUSE_S)
                    else:
                        patience.reschedule(None)
                        return answer
        except TimeoutError:
            raise Lost(f"fake-gcs-server has been away for {_PATIENCE_S:.0f} s.") from None

    def _free(self) -> int:
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize


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


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _ranges(parts: Sequence[Part], start: int, end: int) -> Iterable[tuple[Part, int, int]]:
    """Which bytes of which parts lie between ``start`` and ``end``."""
    offset = 0
    for part in parts:
        first, after = max(start - offset, 0), min(end - offset, part.size)
        if first < after:
            yield part, first, after
        offset += part.size
