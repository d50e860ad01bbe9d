"""One request and its answer: an ASGI application on one side, a connection on the other."""

import asyncio
import contextlib
import logging
from email.utils import formatdate
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.errors import Internal
from emulator.gateway import heads
from emulator.gateway.routes import Refusal

log = logging.getLogger(__name__)

PIECE: Final = 256 * 1024  # more in one go slows TLS and the loop down
QUEUE_LIMIT: Final = 512 * 1024  # bytes of a request's body that wait for the application
_BODYLESS: Final = frozenset({204, 304})


class Disconnected(OSError):
    """The client left before its answer was complete."""


class Cut(Exception):
    """An answer that an application began and cannot end; the text says why."""


class Wire(Protocol):
    """What an exchange needs of its connection."""

    def write(self, *pieces: bytes | memoryview) -> None: ...
    async def drain(self) -> None: ...
    def hold(self) -> None:
        """Read no more for now."""

    def release(self) -> None:
        """Read on."""

    def finished(self, exchange: "Exchange") -> None:
        """The answer is complete, or ``broken``."""


class Exchange:
    """Hands a request's body to the application as it comes, and the answer to the wire."""

    def __init__(self, wire: Wire, head: heads.Head) -> None:
        self._wire = wire
        self._head = head
        self._pieces: list[bytes] = []
        self._queued = 0
        self._complete = False  # the whole body has come
        self._handed_over = False  # and the application has it
        self._gone = False  # nobody is there any more
        self._changed = asyncio.Event()
        self._start: Message | None = None
        self._answer: _Answer | None = None
        self.broken = False  # the answer cannot be completed: the connection must end
        self.keep_alive = head.keep_alive

    def feed(self, pieces: list[bytes], *, complete: bool) -> None:
        """Take a part of the request's body from the connection."""
        if self.done:
            return
        self._pieces += pieces
        self._queued += sum(map(len, pieces))
        self._complete = complete
        if self._queued > QUEUE_LIMIT:
            self._wire.hold()
        self._changed.set()

    def disconnect(self) -> None:
        """The client is gone."""
        self._gone = True
        self._changed.set()

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer; whatever it does, the answer is ended properly."""
        try:
            await app(scope, self.receive, self.send)
        except Disconnected:
            pass
        except Cut as cut:
            log.warning("%s %s was cut short: %s", self._head.method, scope["path"], cut)
        except Exception:
            log.exception("%s %s failed", self._head.method, scope["path"])
        if self.done or self._gone:
            return
        if self._answer is None:
            await self._fail()
        else:
            self.broken = True
            self._wire.finished(self)

    async def receive(self) -> Message:
        while True:
            if self._pieces or (self._complete and not self._handed_over):
                body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                self._pieces.clear()
                if self._queued > QUEUE_LIMIT:
                    self._wire.release()
                self._queued = 0
                self._handed_over = self._complete
                return {"type": "http.request", "body": body, "more_body": not self._complete}
            if self._gone or self.done:
                return {"type": "http.disconnect"}
            self._changed.clear()
            await self._changed.wait()

    async def send(self, message: Message) -> None:
        if self._gone:
            raise Disconnected("The client has left.")
        if message["type"] == "http.response.start":
            self._start = message  # sent with the first bytes of the body
        elif message["type"] == "http.response.body":
            await self._send_body(message.get("body", b""), last=not message.get("more_body"))
        else:
            raise ValueError(f"An HTTP answer has no {message['type']}.")

    @property
    def done(self) -> bool:
        return self._answer is not None and self._answer.done

    async def _send_body(self, body: bytes | memoryview, *, last: bool) -> None:
        if self._start is None:
            raise ValueError("An answer's body came before its start.")
        if self.done:
            raise ValueError("The answer was complete already.")
        head = b""
        if self._answer is None:
            whole = len(body) if last else None
            self._answer = _Answer(self._head, self._start, whole)
            self.keep_alive = self.keep_alive and self._answer.keep_alive
            head = self._answer.head(keep_alive=self.keep_alive)
        await self._write(self._answer, head, body, last=last)
        if last:
            self._changed.set()
            self._wire.finished(self)

    async def _write(
        self, answer: "_Answer", head: bytes, body: bytes | memoryview, *, last: bool
    ) -> None:
        if len(body) <= PIECE:
            self._wire.write(head, *answer.frame(body, last=last))
            await self._wire.drain()
            return
        self._wire.write(head)
        with memoryview(body) as view:
            for offset in range(0, len(view), PIECE):
                piece = view[offset : offset + PIECE]
                ends = last and offset + PIECE >= len(view)
                self._wire.write(*answer.frame(piece, last=ends))
                await self._wire.drain()
                if self._gone:
                    raise Disconnected("The client has left.")

    async def _fail(self) -> None:
        self._start = None
        error = Internal("The emulator failed to answer; its log has the traceback.")
        with contextlib.suppress(Disconnected):
            await refuse(Refusal.of(error))({}, self.receive, self.send)


class _Answer:
    """How one answer's body is framed, and how much of it is left."""

    def __init__(self, request: heads.Head, start: Message, whole: int | None) -> None:
        self.done = False
        self._status: int = start["status"]
        self._headers = [
            (name.lower(), value)
            for name, value in start["headers"]
            if name.lower() not in {b"transfer-encoding", b"connection", b"keep-alive"}
        ]
        names = dict(self._headers)
        self._empty = request.method == "HEAD" or self._status in _BODYLESS
        self._chunked = False
        self._left: int | None = None
        if not self._empty:
            if b"content-length" in names:
                self._left = int(names[b"content-length"])
            elif whole is not None:
                self._left = whole
                self._headers.append((b"content-length", b"%d" % whole))
            elif request.version == "1.1":
                self._chunked = True
                self._headers.append((b"transfer-encoding", b"chunked"))
        if b"date" not in names:
            self._headers.append((b"date", formatdate(usegmt=True).encode()))
        self._version = request.version
        self.keep_alive = self._empty or self._chunked or self._left is not None

    def head(self, *, keep_alive: bool) -> bytes:
        if not keep_alive:
            self._headers.append((b"connection", b"close"))
        elif self._version == "1.0":
            self._headers.append((b"connection", b"keep-alive"))
        return heads.answer(self._status, self._headers)

    def frame(self, body: bytes | memoryview, *, last: bool) -> tuple[bytes | memoryview, ...]:
        """The bytes on the wire for one piece of the body."""
        self.done = last
        if self._empty:
            return ()
        if self._chunked:
            return _chunk(body, last=last)
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (last and self._left):
                self.done = False
                raise ValueError("An answer's body is not as long as its Content-Length says.")
        return (body,)


def refuse(refusal: Refusal) -> ASGIApp:
    """The application that answers with a refusal and nothing else."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"status": refusal.status, "headers": refusal.headers}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": refusal.body})

    return app


def _chunk(body: bytes | memoryview, *, last: bool) -> tuple[bytes | memoryview, ...]:
    end = b"0\r\n\r\n" if last else b""
    return (b"%x\r\n" % len(body), body, b"\r\n" + end) if len(body) else (end,)
