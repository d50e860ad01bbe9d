"""Bytes through to a host outside that the user allowed."""

import asyncio
from typing import Final, Protocol

from emulator.errors import Unavailable
from emulator.gateway.routes import Outside, Refusal
from emulator.gateway.ways_out import WaysOut

CONNECT_DEADLINE_S: Final = 15.0
_WRITE_LIMIT: Final = 1024 * 1024
_ANSWER_LIMIT: Final = 64 * 1024  # of a proxy's


class NoTunnel(Exception):
    """The host outside cannot be reached; ``refusal`` says so to the client."""

    def __init__(self, outside: Outside, why: str) -> None:
        super().__init__(why)
        self.refusal = Refusal.of(
            Unavailable(f"{outside.host}:{outside.port} is allowed, but cannot be reached: {why}."),
            502,
        )


class Near(Protocol):
    """The client's connection, as a tunnel sees it."""

    def write(self, *pieces: bytes | memoryview) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...
    def end_writing(self) -> None: ...
    def close(self) -> None: ...


class Tunnel(asyncio.Protocol):
    """The far side of a tunnel: pumps to and from the client, with backpressure both ways.

    ``request`` goes first where a proxy stands between; its answer is not the client's. Nothing
    reaches the client before ``begin``.
    """

    def __init__(self, near: Near, request: bytes = b"") -> None:
        self._near = near
        self._request = request
        self._transport: asyncio.Transport
        self._early = b""  # a proxy's answer, and what came with it
        self._begun = False
        self._closed = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Pump from here on."""
        self._begun = True
        if self._early:
            self._near.write(self._early)
        self.release()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 the loop's promise
        self._transport = transport
        transport.set_write_buffer_limits(_WRITE_LIMIT)
        if self._request:
            transport.write(self._request)
        else:
            self.hold()
            self.opened.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._begun:
            self._near.write(data)
            return
        self._early += data
        answer, end, rest = self._early.partition(b"\r\n\r\n")
        if not end and len(answer) < _ANSWER_LIMIT:
            return
        self.hold()
        if self.opened.done():
            return
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        if status.split()[1:2] == ["200"]:
            self._early = rest
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionRefusedError(0, f"the proxy answered '{status}'"))

    def eof_received(self) -> bool:
        if self._begun:
            self._near.end_writing()
        return self._begun

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionResetError(0, "the proxy hung up"))
        if self._begun:
            self._near.close()

    def pause_writing(self) -> None:
        self._near.hold()

    def resume_writing(self) -> None:
        self._near.release()

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._transport.write(data)

    def hold(self) -> None:
        if not self._closed:
            self._transport.pause_reading()

    def release(self) -> None:
        if not self._closed:
            self._transport.resume_reading()

    def end(self) -> None:
        """The client sends no more."""
        if not self._closed:
            self._transport.write_eof()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._transport.close()


async def open_tunnel(outside: Outside, near: Near, ways_out: WaysOut) -> Tunnel:
    """Connect to a host outside, through the user's own proxy where there is one.

    Raises NoTunnel, within the deadline.
    """
    proxy = ways_out.proxy("https", outside.host)
    host, port = (proxy.host, proxy.port) if proxy else (outside.host, outside.port)
    request = proxy.connect(outside.host, outside.port) if proxy else b""
    loop = asyncio.get_running_loop()
    tunnel: Tunnel | None = None
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            _, tunnel = await loop.create_connection(lambda: Tunnel(near, request), host, port)
            await tunnel.opened
            return tunnel
    except TimeoutError:
        why = f"{host}:{port} did not answer within {CONNECT_DEADLINE_S:g} s"
    except OSError as error:
        why = f"{host}:{port}: {error.strerror or error}"
    if tunnel is not None:
        tunnel.close()
    raise NoTunnel(outside, why)
