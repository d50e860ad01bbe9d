"""One request and its answer as the bytes of a connection, through the gateway's own parts."""

import http.client
import io
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp

from emulator.cluster import Network
from emulator.errors import InvalidArgument
from emulator.gateway import heads, routes, scopes
from emulator.gateway.bodies import Body, Chunked, Sized
from emulator.gateway.exchanges import Exchange, refuse
from emulator.gateway.routes import Place, Refusal
from emulator.identity import Identity

FindApp = Callable[[str, str, Place], Awaitable[ASGIApp]]
"""From method, path and place to what answers."""

_PORTS: Final = {"http": 80, "https": 443}
_USER: Final = Identity()
_OWN_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})


class Origin(msgspec.Struct, frozen=True):
    """What a client believes to be connected to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
        return cls(parts.scheme, host, parts.port or _PORTS.get(parts.scheme, 0))

    def __str__(self) -> str:
        port = "" if _PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


class Answer(msgspec.Struct, frozen=True):
    """An answer taken apart; ``headers`` in order, also those that come twice."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


async def exchange(
    request: bytes, origin: Origin, find_app: FindApp, *, identity: Identity = _USER
) -> bytes:
    """What the gateway would answer to this request on such a connection."""
    wire = _Wire()
    try:
        head, body = _read(request)
    except heads.Malformed as error:
        refusal = Refusal.of(InvalidArgument(str(error)), error.status)
        closing = [*refusal.headers, (b"connection", b"close")]
        return heads.answer(refusal.status, closing) + refusal.body
    surroundings = scopes.Surroundings(
        network=Network(identity),
        secure=origin.scheme == "https",
        host=origin.host,
        port=origin.port,
        peer=None,
    )
    read = scopes.read(head, surroundings)
    place = routes.request(read.asked, frozenset(), surroundings.network)
    if isinstance(place, Place):
        app = await find_app(head.method, read.scope["path"], place)
    else:
        assert isinstance(place, Refusal)  # noqa: S101 nothing outside is allowed here
        app = refuse(place)
    run = Exchange(wire, head)
    run.feed([body] if body else [], complete=True)
    await run.run(app, read.scope)
    return b"".join(wire.written)


def asked(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A request as it goes over the wire; the headers that frame the body are ours."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), target)]
    lines += [b"%s: %s" % field for field in headers if field[0].lower() not in _OWN_FRAMING]
    lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + heads.END + body


def taken_apart(answer: bytes, method: str) -> Answer:
    """An answer as a client reads it from its socket."""
    with http.client.HTTPResponse(_Far(answer), method=method) as response:  # type: ignore[arg-type]
        response.begin()
        return Answer(response.status, response.getheaders(), response.read())


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _read(request: bytes) -> tuple[heads.Head, bytes]:
    first, _, rest = request.partition(heads.END)
    head = heads.parse(first)
    body: Body = Chunked() if head.length is None else Sized(head.length)
    pieces: list[bytes] = []
    body.feed(bytearray(rest), 0, len(rest), pieces)
    if not body.done:
        raise heads.Malformed("The body of the request is shorter than it says.")
    return head, pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Wire:
    """Takes all that an exchange writes; nothing holds it up."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, *pieces: bytes | memoryview) -> None:
        self.written += map(bytes, pieces)

    async def drain(self) -> None:
        """Nothing waits."""

    def hold(self) -> None:
        """The whole request is here."""

    def release(self) -> None:
        """So it is."""

    def finished(self, exchange: Exchange) -> None:
        """The bytes are taken when the exchange has run."""


class _Far:
    """The end of a connection that has sent its answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._answer)
