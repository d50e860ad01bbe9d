"""The other direction: HTTP/1.1 to a server on this machine, over connections that are kept."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Final, Self

from emulator.connection import (
    HOP_BY_HOP,
    Answer,
    Body,
    Broken,
    Connection,
    Headers,
    Stale,
    Unreachable,
)

__all__ = ["Answer", "Body", "Broken", "Headers", "Unreachable", "Upstream"]

_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Upstream:
    """A server's address and the connections to it; used from one event loop.

    ``address`` is ``(host, port)`` or the path of a unix socket, abstract if it starts with NUL;
    the latter must belong to ``peer_uid`` (this process's own user if not given), because any
    user of the machine can take an abstract name.
    ``idle_s`` ends an exchange in which the server neither sends nor takes a byte for so long.
    ``keep_alive_s`` is how long an unused connection is kept: less than the server keeps it.
    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        *,
        connect_s: float = 5.0,
        idle_s: float = 120.0,
        keep_alive_s: float = 4.0,
        max_idle: int = 16,
        peer_uid: int | None = None,
    ) -> None:
        self.address = address
        self._connect_s = connect_s
        self._idle_s = idle_s
        self._keep_alive_s = keep_alive_s
        self._max_idle = max_idle
        self._peer_uid = os.getuid() if peer_uid is None else peer_uid
        self._unused: list[Connection] = []
        self._open: set[Connection] = set()
        self._host = (
            b"localhost" if isinstance(address, str) else f"{address[0]}:{address[1]}".encode()
        )

    async def send(self, method: str, target: str, headers: Headers, body: Body = None) -> Answer:
        """Send a request and answer when the head of its response is there.

        ``target`` goes out as it is. A body of bytes is sent with its length; an iterator's with
        the ``content-length`` of ``headers`` if there is one, else chunked. An exception of the
        iterator is raised here (or in ``Answer.body``) and breaks the connection in a way that
        the server cannot take for the end of the body.

        Raises Unreachable when nothing of the request was sent, Broken when the connection failed.
        """
        head = self._head(method, target, headers, body)
        repeatable = method in _REPEATABLE and not isinstance(body, AsyncIterator)
        while True:
            connection = self._reuse() or await self._connect()
            try:
                return await connection.exchange(method, head, body, headers)
            except Stale:
                if not (repeatable or not body):
                    raise

    async def aclose(self) -> None:
        """Close all connections; exchanges under way are broken off."""
        open_now = tuple(self._open)
        for connection in open_now:
            connection.abort(Broken("The client was closed."))
        for connection in open_now:
            await connection.closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _head(self, method: str, target: str, headers: Headers, body: Body) -> bytes:
        lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
        names = set()
        for name, value in headers:
            lowered = name.lower()
            if lowered in HOP_BY_HOP or (lowered == b"content-length" and not _streamed(body)):
                continue
            names.add(lowered)
            lines.append(name + b": " + value)
        if b"host" not in names:
            lines.append(b"host: " + self._host)
        if _streamed(body):
            if b"content-length" not in names:
                lines.append(b"transfer-encoding: chunked")
        elif body is not None or method in {"POST", "PUT", "PATCH"}:
            lines.append(b"content-length: %d" % _size(body))
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1:
            raise ValueError("A request's target and headers hold no line breaks.")
        return head

    def _reuse(self) -> "Connection | None":
        while self._unused:
            connection = self._unused.pop()
            if connection.take():
                return connection
        return None

    async def _connect(self) -> "Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                if isinstance(self.address, str):
                    _, connection = await loop.create_unix_connection(self._protocol, self.address)
                else:
                    _, connection = await loop.create_connection(self._protocol, *self.address)
        except TimeoutError:
            raise Unreachable(
                f"{self} did not take a connection in {self._connect_s:g} s."
            ) from None
        except OSError as error:
            raise Unreachable(f"{self} takes no connection: {error.strerror or error}.") from error
        if isinstance(self.address, str) and (uid := connection.peer_uid()) != self._peer_uid:
            connection.abort(None)
            raise Unreachable(f"{self} belongs to user {uid}, not to {self._peer_uid}.")
        return connection

    def _protocol(self) -> "Connection":
        return Connection(self, self._idle_s)

    def opened(self, connection: "Connection") -> None:
        self._open.add(connection)

    def free(self, connection: "Connection") -> float:
        """Take a connection back; for how many seconds it is kept (0: not at all)."""
        if len(self._unused) >= self._max_idle:
            return 0.0
        self._unused.append(connection)
        return self._keep_alive_s

    def lost(self, connection: "Connection") -> None:
        self._open.discard(connection)
        if connection in self._unused:
            self._unused.remove(connection)

    def __str__(self) -> str:
        if isinstance(self.address, str):
            return f"The server at unix:{self.address.replace(chr(0), '@', 1)}"
        return f"The server at {self.address[0]}:{self.address[1]}"


def _streamed(body: Body) -> bool:
    return body is not None and not isinstance(body, bytes)


def _size(body: Body) -> int:
    return len(body) if isinstance(body, bytes) else 0
