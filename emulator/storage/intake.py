"""Bytes on their way in: hashed, cut into parts, stored."""

import asyncio
from typing import Self

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
        self._pieces: list[bytes] = []
        self._filled = 0
        self._storing: asyncio.Task[Part] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pieces.clear()
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
            self._pieces.append(piece[:room])
            self._filled = PART
            piece = piece[room:]
            await self._ship()
        if piece:
            self._pieces.append(piece)
            self._filled += len(piece)

    async def finish(self) -> tuple[Part, ...]:
        """Store the rest; answers all parts."""
        if self._pieces:
            await self._ship()
        await self._settle()
        return tuple(self.parts)

    async def _ship(self) -> None:
        await self._settle()
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._filled = 0
        self._storing = asyncio.create_task(self._store(content))

    async def _settle(self) -> None:
        if self._storing is not None:
            await asyncio.wait([self._storing])
            storing, self._storing = self._storing, None
            self.parts.append(storing.result())

    async def _store(self, content: bytes) -> Part:
        part, _ = await asyncio.gather(self._blobs.write(content), self.digest.update(content))
        return part
