"""One HTTP/1.1 connection to a server: an exchange at a time, streamed both ways."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, Protocol, Self, TypeAlias, cast

import httptools

from emulator.errors import CmleError

Headers: TypeAlias = list[tuple[bytes, bytes]]
Body: TypeAlias = bytes | AsyncIterator[bytes] | None

HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade expect".split()
)
HIGH_WATER: Final = 512 * 1024  # bytes waiting in one direction before the source has to wait
LOW_WATER: Final = 128 * 1024
PIECE: Final = 256 * 1024  # waiting pieces are joined up to this size
_INFORMATIONAL: Final = range(100, 200)
_BODYLESS: Final = frozenset({204, 304})


class Unreachable(CmleError):
    """Nobody answers at the address, or somebody does who should not."""


class Broken(CmleError):
    """The connection ended, or fell silent, before the answer was complete."""


class Stale(Broken):
    """A connection from the pool was closed before a byte of the answer came."""


class Answer:
    """A response. Read ``body`` (or ``read``) to its end, or ``aclose``: never just drop it.

    ``headers`` have lower-case names and none that belong to the connection.
    """

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: Headers = []
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._waiter: asyncio.Future[None] | None = None
        self._complete = False
        self._error: Exception | None = None

    @property
    def body(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._complete:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if len(self._pieces) > 1 and self._waiting <= PIECE:
            piece = b"".join(self._pieces)
            self._pieces.clear()
        else:
            piece = self._pieces.popleft()
        self._waiting -= len(piece)
        if self._waiting < LOW_WATER and not self._complete:
            self._connection.resume_reading()
        return piece

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self])

    async def aclose(self) -> None:
        """Give up what has not come yet."""
        if not self._complete:
            self._connection.abort(Broken("The answer was given up."))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def feed(self, piece: bytes) -> bool:
        """Take a piece off the connection; whether that is enough for now."""
        self._pieces.append(piece)
        self._waiting += len(piece)
        self._wake()
        return self._waiting > HIGH_WATER

    def finish(self, error: Exception | None = None) -> None:
        """Nothing more comes."""
        self._complete = error is None
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pool(Protocol):
    """What a connection needs of whom it belongs to; its text names the server."""

    def opened(self, connection: "Connection") -> None: ...
    def free(self, connection: "Connection") -> float:
        """Take a connection back; for how many seconds it is kept (0: not at all)."""

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self, pool: Pool, idle_s: float) -> None:
        self._pool = pool
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._answer: Answer | None = None
        self._head: asyncio.Future[Answer] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._source_waits = False  # the next piece of the request's body is not there yet
        self._reading = True
        self._fresh = True  # no exchange before the present one
        self._started = False  # a byte of the answer has come
        self._framed = False  # the answer says itself where it ends
        self._bodyless = False
        self._moved = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # what the pool and the answer call

    def peer_uid(self) -> int:
        sock = self._transport.get_extra_info("socket")
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("iII", credentials)[1])

    def take(self) -> bool:
        """Leave the pool; False if the connection has ended meanwhile."""
        self._stop_timer()
        return not self._transport.is_closing()

    def abort(self, error: Exception | None) -> None:
        """End the connection at once, unfinished bodies included."""
        if error is not None:
            self._fail(error)
        self._transport.abort()

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._moved = self._loop.time()
            self._transport.resume_reading()

    async def exchange(self, method: str, head: bytes, body: Body, headers: Headers) -> Answer:
        self._head = self._loop.create_future()
        self._answer = Answer(self)
        self._started = self._framed = False
        self._bodyless = method == "HEAD"
        self._moved = self._loop.time()
        self._timer = self._loop.call_later(self._idle_s, self._watch)
        if body is None or isinstance(body, bytes):
            self._transport.write(head + body if body else head)
        else:
            self._transport.write(head)
            self._pump = self._loop.create_task(self._send_body(body, _length(headers)))
        pump = self._pump
        try:
            return await self._head
        except BaseException:
            self.abort(Broken("The request was given up."))
            if pump is not None:  # the source is the caller's again
                await asyncio.wait([pump])
            raise

    # the request's body

    async def _send_body(self, body: AsyncIterator[bytes], length: int | None) -> None:
        try:
            await self._copy(body, length)
        except Exception as error:  # noqa: BLE001 (the source's own, raised where it is awaited)
            self.abort(error)
        finally:
            self._pump = None

    async def _copy(self, body: AsyncIterator[bytes], length: int | None) -> None:
        sent = 0
        while True:
            self._source_waits = True
            piece = await anext(body, None)
            self._source_waits = False
            self._moved = self._loop.time()
            if piece is None:
                break
            if not piece:
                continue
            sent += len(piece)
            if length is None:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            elif sent > length:
                raise Broken(f"The body of the request is longer than its {length} bytes.")
            self._transport.write(piece)
            if self._writable is not None:
                await self._writable
        if length is None:
            self._transport.write(b"0\r\n\r\n")
        elif sent < length:
            raise Broken(f"The body of the request ended after {sent} of {length} bytes.")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self._pool.opened(self)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        self._moved = self._loop.time()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        self._moved = self._loop.time()
        if self._answer is None:  # nobody asked
            self.abort(None)
            return
        self._started = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.abort(Broken(f"{self._pool} does not speak HTTP: {error}."))

    def eof_received(self) -> bool:
        answer = self._answer
        if answer is not None and answer.status and not self._framed:
            self._complete(answer, reusable=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if self._answer is not None:
            kind = Broken if self._fresh or self._started else Stale
            reason = f": {exc}" if exc else ""
            self._fail(kind(f"{self._pool} closed the connection too early{reason}."))
        self._stop_timer()
        self.resume_writing()
        if not self.closed.done():
            self.closed.set_result(None)

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in {b"content-length", b"transfer-encoding"}:
            self._framed = True
        if self._answer is not None and name not in HOP_BY_HOP:
            self._answer.headers.append((name, value))

    def on_headers_complete(self) -> None:
        answer = self._answer
        if answer is None:
            return
        status = self._parser.get_status_code()
        if status in _INFORMATIONAL:
            answer.headers.clear()
            self._framed = False
            return
        answer.status = status
        self._bodyless = self._bodyless or status in _BODYLESS
        if self._head is not None and not self._head.done():
            self._head.set_result(answer)
        if self._bodyless:
            reusable = self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)  # it would wait for the body
            self._complete(answer, reusable=reusable)

    def on_body(self, data: bytes) -> None:
        if self._answer is not None and self._answer.feed(data) and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._answer is not None and self._answer.status:
            self._complete(self._answer, reusable=self._parser.should_keep_alive())

    # how an exchange ends

    def _complete(self, answer: Answer, *, reusable: bool) -> None:
        self._answer = self._head = None
        self._fresh = False
        self._stop_timer()
        answer.finish()
        self.resume_reading()
        if self._pump is not None:  # answered before it was asked to the end
            self._pump.cancel()
            self._transport.abort()
        elif not reusable or not (keep_s := self._pool.free(self)):
            self._transport.close()
        else:
            self._timer = self._loop.call_later(keep_s, self._transport.close)

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        head, self._head = self._head, None
        self._stop_timer()
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()
        if head is not None and not head.done():
            head.set_exception(error)
        elif answer is not None:
            answer.finish(error)

    def _watch(self) -> None:
        """End an exchange in which the server is what nobody hears of."""
        now = self._loop.time()
        waits_for_us = not self._reading or (self._source_waits and not self._started)
        if not waits_for_us and now - self._moved >= self._idle_s:
            self.abort(Broken(f"{self._pool} was silent for {self._idle_s:g} s."))
            return
        due = self._idle_s if waits_for_us else self._moved + self._idle_s - now
        self._timer = self._loop.call_later(due, self._watch)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _length(headers: Headers) -> int | None:
    for name, value in headers:
        if name.lower() == b"content-length":
            return int(value)
    return None
