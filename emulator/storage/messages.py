"""Requests as handlers read them, and what they answer with."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

from emulator.errors import CmleError
from emulator.identity import Identity
from emulator.storage.documents import Links
from emulator.storage.refusals import Refusal, invalid

Headers = list[tuple[bytes, bytes]]

DOCUMENT_LIMIT: Final = 16 << 20  # bytes of a JSON, XML or batch body
_JSON: Final = (b"content-type", b"application/json; charset=UTF-8")
_TRUE: Final = frozenset({"true", "1", ""})


class ClientGone(CmleError):
    """The client left before its request was complete."""


class Reply(msgspec.Struct, frozen=True):
    """An answer; a body that is no bytes is sent as it comes, and ``close`` called at its end."""

    status: int = 200
    headers: Headers = []
    body: bytes | AsyncIterable[bytes] = b""
    close: Callable[[], None] | None = None

    @classmethod
    def json(cls, document: Any, status: int = 200) -> Self:
        return cls(status, [_JSON], msgspec.json.encode(document))

    @classmethod
    def refused(cls, refusal: Refusal) -> Self:
        if refusal.status == 304:  # noqa: PLR2004 it has no body
            return cls(304)
        return cls(refusal.status, [_JSON], refusal.json())


class Head(msgspec.Struct, frozen=True):
    """``path`` and ``query`` are undecoded; ``headers`` have lower-case names."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    identity: Identity
    scheme: str = "https"


class Request:
    """A request and its body, from a connection or from a part of a batch."""

    def __init__(self, head: Head, receive: Receive | None = None, content: bytes = b"") -> None:
        self.head = head
        self.method = head.method
        self.path = head.path
        self.headers = head.headers
        self.identity = head.identity
        self.pairs = _pairs(head.query)
        self.params = dict(reversed(self.pairs))  # the first of each counts
        self.host = head.headers.get("host", "")
        self.origin = f"{head.scheme}://{self.host}"
        self.links = Links(head.scheme, self.host)
        self._receive = receive
        self._content = content

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Self:
        raw_path: bytes = scope["raw_path"]
        head = Head(
            method=scope["method"],
            path=raw_path.partition(b"?")[0].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers={
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            },
            identity=scope["identity"],
            scheme=scope["scheme"],
        )
        return cls(head, receive)

    def flag(self, name: str) -> bool:
        return name in self.params and self.params[name].lower() in _TRUE

    @property
    def is_full(self) -> bool:
        """``projection=full``: with access controls."""
        return self.params.get("projection") == "full"

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises ClientGone if it breaks off."""
        if self._content:
            content, self._content = self._content, b""
            yield content
        while (receive := self._receive) is not None:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("The client left in the middle of its request.")
            if not message.get("more_body"):
                self._receive = None
            if piece := message.get("body"):
                yield piece

    async def read(self) -> bytes:
        """The whole body, which must not be a big one."""
        pieces = []
        size = 0
        async for piece in self.body():
            size += len(piece)
            if size > DOCUMENT_LIMIT:
                raise Refusal(413, "uploadTooLarge", "Request too large.")
            pieces.append(piece)
        return b"".join(pieces)

    async def document(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if there is no body."""
        return parse_document(await self.read())

    async def drain(self) -> None:
        """Let the client finish: it would take an early end for a broken connection."""
        try:
            async for _ in self.body():
                pass
        except ClientGone:
            self._receive = None


def parse_document(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(400, "parseError", "Parse Error") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Refusal(400, "parseError", "Parse Error")
    return document


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise invalid(f"Malformed query: {error}") from None
