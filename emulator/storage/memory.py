"""Storage without a process and without a disk: names, bytes and all in memory."""

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path

from emulator.storage.door import Door, serving
from emulator.storage.index import Index
from emulator.storage.parts import Lost
from emulator.storage.values import Part


class MemoryParts:
    """Parts of this process; they end with it."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def write(self, part: Part, pieces: Sequence[bytes]) -> None:
        self._kept[part.id] = b"".join(pieces)

    async def read(self, part: Part, start: int, end: int) -> AsyncGenerator[bytes]:
        if part.id not in self._kept:
            raise Lost(f"The part {part.id} is not kept.")
        yield self._kept[part.id][start:end]

    async def delete(self, part_id: str) -> None:
        self._kept.pop(part_id, None)


@contextlib.asynccontextmanager
async def open_memory(now_us: Callable[[], int] | None = None) -> AsyncIterator[Door]:
    """The same door as ``open_storage`` gives, for the time of the block."""
    log = logging.getLogger(__name__)
    with contextlib.closing(Index(Path(":memory:"), now_us)) as index:
        async with serving(index, MemoryParts(), log) as door:
            yield door
