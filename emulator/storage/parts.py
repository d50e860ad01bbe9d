"""Where the parts of objects lie: whole when written, read in ranges."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from emulator.errors import CmleError
from emulator.storage.values import Part


class Lost(CmleError):
    """The bytes cannot be given or taken, and trying again did not help."""


class Parts(Protocol):
    """Every method raises Lost; writing raises Full as well, when there is no room."""

    async def write(self, part: Part, pieces: Sequence[bytes]) -> None:
        """Store the pieces, laid end to end, under the part's id; all or nothing."""
        ...

    def read(self, part: Part, start: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes from ``start`` to before ``end``."""
        ...

    async def delete(self, part_id: str) -> None:
        """Forget a part, also one that was never written whole, or not at all."""
        ...
