"""Where replicas run: the seam between jobs and machines, and its implementations.

What must survive a restart of the emulator is a plain stored value (``Ref``); everything
else is found again from it.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from emulator.cluster import Exit, Line, Ref, Replica, SiteSpec


class Abilities(msgspec.Struct, frozen=True):
    """What a runner can do on this machine: run container images, give real GPUs.

    ``cpus`` and ``memory_bytes`` are the machine's own, for limits to be fitted to, and
    ``disk_bytes`` what is free for working directories; 0 is not known.
    """

    images: bool = False
    gpus: int = 0
    cpus: int = 1
    memory_bytes: int = 0
    disk_bytes: int = 0


class Site(Protocol):
    """A job attempt's place; its replicas live and end together."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """``host:port`` for each host of the SiteSpec: what TF_CONFIG is to hold.

        Known before anything starts, and the same when the site is found again.
        """
        ...

    async def start(self, replica: Replica) -> Ref:
        """Start one process; answer once its program runs, or could not (see ``wait``).

        OperatorError says why it cannot be started at all. A start that is cancelled leaves
        nothing that ``Runner.close`` does not end. The runner bounds how many run at a time.
        """
        ...


class Runner(Protocol):
    """What every module in this package offers."""

    @property
    def name(self) -> str:
        """The ``runner`` of the refs that it answers."""
        ...

    @property
    def abilities(self) -> Abilities: ...

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

    async def forget(self, site_id: str) -> None:
        """Close it, and remove what is kept of it: lines, ends, files. Idempotent."""
        ...

    async def reach(self, ref: Ref, listen: str) -> str | tuple[str, int]:
        """Where a socket of ``Replica.listen`` is connected to from here.

        An abstract socket (with its leading NUL), or host and port; the replica has started.
        """
        ...

    async def sweep(self, known: Collection[str]) -> list[str]:
        """End and remove every place of this emulator that is not known; answer their ids."""
        ...


@runtime_checkable
class Metered(Protocol):
    """What a runner may offer beside: tells who works from who waits."""

    async def usage(self, refs: Sequence[Ref]) -> Mapping[str, float]:
        """CPU seconds that each replica has used so far, by ``Ref.name``; none if not known."""
        ...
