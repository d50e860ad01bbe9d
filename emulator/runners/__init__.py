"""Where replicas run: the seam between jobs and machines, and its implementations.

What must survive a restart of the emulator is a plain stored value (``Ref``); everything
else is found again from it.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

from emulator.cluster import Exit, Line, Ref, Replica, SiteSpec


class Site(Protocol):
    """A job attempt's place; its replicas live and end together."""

    async def start(self, replica: Replica) -> Ref:
        """Start one process; answer once its program runs, or could not (see ``wait``)."""
        ...


class Runner(Protocol):
    """What every module in this package offers."""

    async def open(self, spec: SiteSpec) -> Site:
        """Make the place, or find it again if it exists."""
        ...

    def follow(self, ref: Ref, since: int) -> AsyncIterator[Line]:
        """All lines with a greater ``seq``, as they come, up to the last one of the process."""
        ...

    async def wait(self, ref: Ref) -> Exit:
        """How it ended, once it has; reason "lost" if nobody can say."""
        ...

    async def stop(self, refs: Sequence[Ref], grace_s: float) -> None:
        """SIGTERM, after the grace SIGKILL; answer when they have ended. Idempotent."""
        ...

    async def close(self, site_id: str) -> None:
        """End the place and what still runs in it; lines and ends stay readable. Idempotent."""
        ...

    async def sweep(self, known: Collection[str]) -> list[str]:
        """End and remove every place of this emulator that is not known; answer their ids."""
        ...
