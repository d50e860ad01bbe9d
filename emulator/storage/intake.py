"""Bytes on their way in: hashed, cut into parts, stored."""

import asyncio
from typing import Self

from emulator.connection import PIECE
from emulator.storage.blobs import PART, Blobs
from emulator.storage.digests import Digest
from emulator.storage.values import Part


class Intake:
    """While one part is stored the next one fills: two are in memory, never more.

    To be used in a ``with`` block: what no object holds when it ends is deleted again.
    """

    def __init__(self, blobs: Blobs, digest: Digest | None = None) -> None:
        self.digest = digest or Digest()
        self.parts: list[Part] = []
        self._blobs = blobs
        self._pieces: list[bytes] = []  # of the part that fills
        self._small: list[bytes] = []  # not yet worth a piece of their own
        self._small_size = 0
        self._filled = 0
        self._storing: asyncio.Task[Part] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._storing is not None:  # it cannot be called back
            await asyncio.wait([self._storing])
            if not self._storing.cancelled() and self._storing.exception() is None:
                self.parts.append(self._storing.result())
        self._blobs.done(self.parts)

    async def feed(self, piece: bytes) -> None:
        """Take some bytes; waits while the storage is behind.

        Cancelled or not, what is taken is a beginning of what came, without gaps.
        """
        while self._filled + len(piece) >= PART:
            room = PART - self._filled
            self._take(piece[:room])
            piece = piece[room:]
            await self._ship()
        if piece:
            self._take(piece)

    async def finish(self) -> tuple[Part, ...]:
        """Store the rest; answers all parts."""
        if self._filled:
            await self._ship()
        await self._settle()
        return tuple(self.parts)

    def _take(self, piece: bytes) -> None:
        self._filled += len(piece)
        self._small.append(piece)
        self._small_size += len(piece)
        if self._small_size >= PIECE:
            self._join()

    def _join(self) -> None:
        if self._small:
            self._pieces.append(self._small[0] if len(self._small) == 1 else b"".join(self._small))
            self._small.clear()
            self._small_size = 0

    async def _ship(self) -> None:
        await self._settle()
        self._join()
        pieces, self._pieces = self._pieces, []
        self._filled = 0
        self._storing = asyncio.create_task(self._store(pieces))

    async def _settle(self) -> None:
        if self._storing is not None:
            await asyncio.wait([self._storing])
            storing, self._storing = self._storing, None
            self.parts.append(storing.result())

    async def _store(self, pieces: list[bytes]) -> Part:
        part, _ = await asyncio.gather(self._blobs.write(pieces), self.digest.update(*pieces))
        return part
