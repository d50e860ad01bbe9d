"""What all connections of a gateway share: applications, certificates, buffers, deadlines."""

import asyncio
import logging
import math
from typing import Final, Protocol

from starlette.types import ASGIApp

from emulator.cluster import Network
from emulator.gateway import forward
from emulator.gateway.exchanges import refuse
from emulator.gateway.faults import Faults
from emulator.gateway.routes import Outside, Place, Refusal
from emulator.gateway.scopes import Request
from emulator.gateway.tls import Contexts
from emulator.gateway.ways_out import WaysOut
from emulator.identity import Identity

log = logging.getLogger(__name__)

READ_AT_ONCE: Final = 256 * 1024
REPEATED_AFTER_S: Final = 600.0
_SWEEP_S: Final = 1.0


class Deadlined(Protocol):
    """A connection: ``deadline`` is a time of the loop's clock, infinite while nothing is due."""

    deadline: float

    def expire(self) -> None: ...
    def abort(self) -> None: ...


class Switchboard:
    """Shared by every connection of one gateway.

    ``inbox`` and ``plain`` hold the bytes of the connection that is being read: reading is
    synchronous, so one of each is enough.
    """

    def __init__(
        self,
        *,
        storage: ASGIApp,
        application: ASGIApp,
        contexts: Contexts,
        ca_path: str,
        ways_out: WaysOut,
        port: int = 0,
    ) -> None:
        self._places = {Place.STORAGE: storage, Place.APPLICATION: application}
        self.contexts = contexts
        self.ways_out = ways_out
        self.faults = Faults()
        self.port = port  # of the user's listener
        self.inbox = bytearray(READ_AT_ONCE)
        self.plain = bytearray(READ_AT_ONCE)
        self.inbox_view = memoryview(self.inbox)
        self.closing = False
        self.connections: set[Deadlined] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._ca_path = ca_path
        self._reported: dict[tuple[object, ...], float] = {}

    def app(self, answer: Place | Outside | Refusal, request: Request) -> ASGIApp:
        """The application behind an answer of ``routes.request``, or the fault before it."""
        match answer:
            case Refusal():
                return refuse(answer)
            case Outside():
                return forward.outside(answer, self.ways_out)
            case Place():
                app = self._places[answer]
                return self.faults.before(app, answer, request) if self.faults else app

    async def sweep(self) -> None:
        """End connections whose deadline has passed, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = loop.time()
            for connection in [each for each in self.connections if each.deadline < now]:
                connection.deadline = math.inf
                connection.expire()

    async def close(self, leave_s: float = 0.0) -> None:
        """Take no more connections; end those that are there, exchanges after ``leave_s``."""
        self.closing = True
        if self.tasks and leave_s:
            await asyncio.wait(self.tasks, timeout=leave_s)
        for connection in list(self.connections):
            connection.abort()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def report_distrust(self, identity: Identity, peer: str, asked_name: str) -> None:
        """Tell the person, because their client will only seem to hang."""
        if self._first(("distrust", identity, peer, asked_name)):
            log.error(
                "A client (%s, at %s) does not trust the emulator's certificate for %s: it will "
                "retry or seem to hang. Its list of authorities lacks %s. Start it with "
                "`cmle run -- COMMAND`, or set the variables that `cmle env` prints "
                "(TensorFlow 1.15 ignores them and needs `cmle run`).",
                _who(identity),
                peer or "this machine",
                asked_name or "this address",
                self._ca_path,
            )

    def report_refusal(self, network: Network, host: str, reason: str) -> None:
        """Tell that something wanted to go where the emulator lets nobody."""
        if self._first(("refusal", network.identity, host)):
            log.warning("Refused %s a request to %s. %s", _who(network.identity), host, reason)

    def _first(self, key: tuple[object, ...]) -> bool:
        """Whether this was not reported within the last minutes."""
        now = asyncio.get_running_loop().time()
        for old in [old for old, time in self._reported.items() if time < now - REPEATED_AFTER_S]:
            del self._reported[old]
        if key in self._reported:
            return False
        self._reported[key] = now
        return True


def _who(identity: Identity) -> str:
    name = "/".join(part for part in (identity.project, identity.name) if part)
    return f"{identity.kind} {name}".strip()
