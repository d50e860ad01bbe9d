"""Bytes through to a host outside that the user allowed."""

import asyncio
import contextlib
from typing import Final, Protocol

from emulator.errors import Unavailable
from emulator.gateway.routes import Outside, Refusal
from emulator.gateway.ways_out import Proxy, WaysOut

CONNECT_DEADLINE_S: Final = 15.0
_WRITE_LIMIT: Final = 1024 * 1024


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
    """The far side of a tunnel: pumps to and from the client, with backpressure both ways."""

    def __init__(self, near: Near) -> None:
        self._near = near
        self._transport: asyncio.Transport
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 the loop's promise
        self._transport = transport
        transport.set_write_buffer_limits(_WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        self._near.write(data)

    def eof_received(self) -> bool:
        self._near.end_writing()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        self._closed = True
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
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            if proxy is None:
                _, tunnel = await loop.create_connection(lambda: Tunnel(near), host, port)
                return tunnel
            return await _through(proxy, outside, near)
    except TimeoutError:
        why = f"{host}:{port} did not answer within {CONNECT_DEADLINE_S:.0f} s"
        raise NoTunnel(outside, why) from None
    except OSError as error:
        raise NoTunnel(outside, f"{host}:{port}: {error.strerror or error}") from error


async def _through(proxy: Proxy, outside: Outside, near: Near) -> Tunnel:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        writer.write(proxy.connect(outside.host, outside.port))
        status = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0]
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        status = b"nothing of HTTP"
    except BaseException:
        writer.transport.abort()
        raise
    if status.split()[1:2] != [b"200"]:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        answer = status.decode("latin-1")
        raise NoTunnel(outside, f"the proxy {proxy.host}:{proxy.port} answered '{answer}'")
    tunnel = Tunnel(near)
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)  # noqa: S101 a TCP connection's is
    transport.pause_reading()
    transport.set_protocol(tunnel)
    tunnel.connection_made(transport)
    return tunnel
