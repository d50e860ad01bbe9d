"""The socket that relays come to: each connection begins with a line that says whose it is."""

import asyncio
import hmac
import logging
import math
import re
import socket
from typing import Final

from emulator.cluster import Network
from emulator.gateway.connections import Connection
from emulator.gateway.switchboard import Switchboard

log = logging.getLogger(__name__)

GREETING_S: Final = 10.0
LONGEST: Final = 256
_BACKLOG: Final = 512
_GREETING: Final = re.compile(rb"cmle-relay ([!-~]{16,128}) ([0-9.]{7,15}) ([0-9]{1,5})")


class Passes:
    """Who may come, by the relay's secret and its address on the network of whoever asks.

    An identity is the relay's word, not the asker's: the secret never enters a replica.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Network, set[Connection]]] = {}

    def put(self, secret: str, address: str, network: Network | None) -> None:
        """Let in from now on; without a network end what came by the address."""
        known = self._known.get(address)
        if known is not None and known[:2] != (secret, network):
            del self._known[address]
            _end(known[2])
        if network is not None:
            self._known.setdefault(address, (secret, network, set()))

    def find(self, greeting: bytes) -> tuple[Network, set[Connection]] | None:
        """Whose connection begins with this line, and what else came in their name."""
        found = _GREETING.fullmatch(greeting)
        known = self._known.get(found[2].decode()) if found else None
        if not found or not known or not hmac.compare_digest(known[0].encode(), found[1]):
            return None
        return known[1], known[2]

    def close(self) -> None:
        for _, _, connections in self._known.values():
            _end(connections)
        self._known.clear()


class Entrance:
    """A listening socket for relays."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server

    @classmethod
    async def open(cls, sock: socket.socket, passes: Passes, board: Switchboard) -> "Entrance":
        """Serve a bound TCP socket; it belongs to the entrance from here on."""
        sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Arrival(passes, board), sock=sock, backlog=_BACKLOG
        )
        return cls(server)

    def close(self) -> None:
        self._server.close()


class _Arrival(asyncio.BufferedProtocol):
    """A connection up to the end of its first line."""

    def __init__(self, passes: Passes, board: Switchboard) -> None:
        self._passes = passes
        self._board = board
        self._transport: asyncio.Transport
        self._buffer = bytearray(LONGEST)
        self._filled = 0
        self.deadline = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 the loop's promise
        self._transport = transport
        self.deadline = asyncio.get_running_loop().time() + GREETING_S
        self._board.connections.add(self)
        if self._board.closing:
            self.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._board.connections.discard(self)

    def get_buffer(self, _size: int) -> memoryview:
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        self._filled += count
        line, end, rest = bytes(self._buffer[: self._filled]).partition(b"\n")
        if end:
            self._enter(line, rest)
        elif self._filled == LONGEST:
            self._refuse()

    def expire(self) -> None:
        self._refuse()

    def abort(self) -> None:
        self._transport.abort()

    def _enter(self, line: bytes, rest: bytes) -> None:
        found = self._passes.find(line)
        if found is None:
            self._refuse()
            return
        network, siblings = found
        connection = Connection(self._board, network, siblings)
        siblings.add(connection)
        self._board.connections.discard(self)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        if rest:
            connection.get_buffer(len(rest))[: len(rest)] = rest
            connection.buffer_updated(len(rest))

    def _refuse(self) -> None:
        peer = self._transport.get_extra_info("peername")
        log.warning("Refused a connection of %s that is no relay's of a running job", peer)
        self.abort()


def _end(connections: set[Connection]) -> None:
    for connection in list(connections):
        connection.abort()
