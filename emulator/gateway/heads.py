"""The head of an HTTP/1 message: read leniently where clients err, strictly where it is unsafe."""

import re
from http import HTTPStatus
from typing import Final

import msgspec

from emulator.identity import HEADER

LIMIT: Final = 64 * 1024  # bytes of one head
END: Final = b"\r\n\r\n"

Headers = list[tuple[bytes, bytes]]

_REQUEST: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/(\d)\.(\d)")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"upgrade"}
)
_DROPPED: Final = _HOP_BY_HOP | {b"expect", HEADER.encode()}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class Malformed(Exception):
    """A head that cannot be understood; ``status`` answers it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Head(msgspec.Struct, frozen=True):
    """A request's head. ``headers`` are lower-case and free of hop-by-hop fields and identities.

    ``length`` counts the body's bytes; None means chunked.
    """

    method: str
    target: bytes
    version: str
    headers: Headers
    length: int | None
    keep_alive: bool
    expects_continue: bool

    def get(self, name: bytes) -> bytes:
        """The value of the first field of that lower-case name; empty when there is none."""
        return next((value for key, value in self.headers if key == name), b"")


def parse(head: bytes) -> Head:
    """Read a request line and its fields, without the empty line at the end.

    TensorFlow sends ``Transfer-Encoding: identity`` beside a length, and chunked beside a
    length: the first is dropped, and chunked wins. Other encodings are refused (501).
    """
    first, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(first)
    if request is None:
        raise Malformed("The request line is not one of HTTP/1.1.")
    if request[3] != b"1":
        raise Malformed("Only HTTP/1.1 is spoken here.", 505)
    version = "1.0" if request[4] == b"0" else "1.1"
    fields = _fields(lines)
    length = _length(fields)
    connection = _tokens(fields, b"connection") + _tokens(fields, b"proxy-connection")
    return Head(
        method=request[1].decode(),
        target=request[2],
        version=version,
        headers=_passed_on(fields, length),
        length=length,
        keep_alive=b"close" not in connection and (version == "1.1" or b"keep-alive" in connection),
        expects_continue=version == "1.1" and b"100-continue" in _tokens(fields, b"expect"),
    )


def answer(status: int, headers: Headers) -> bytes:
    """The head of a response, with its empty line.

    Names begin with capitals, as Google's do: TensorFlow finds no upload session in an
    answer whose ``Location`` is written ``location``.
    """
    lines = [b"HTTP/1.1 %d %s\r\n" % (status, _PHRASES.get(status, b""))]
    lines += [b"%s: %s\r\n" % (name.title(), value) for name, value in headers]
    lines.append(b"\r\n")
    return b"".join(lines)


def authority(text: str, default_port: int = 0) -> tuple[str, int]:
    """``host[:port]`` → lower-case host and port; an IPv6 address loses its brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        host, port = text, ""
    host = host.removeprefix("[").removesuffix("]").lower().removesuffix(".")
    return host, int(port) if port else default_port


def _fields(lines: list[bytes]) -> Headers:
    fields = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Malformed("A header field is malformed.")
        fields.append((field[1].lower(), field[2].strip(b" \t")))
    return fields


def _tokens(fields: Headers, name: bytes) -> list[bytes]:
    return [
        token.strip().lower()
        for key, value in fields
        if key == name
        for token in value.split(b",")
        if token.strip()
    ]


def _length(fields: Headers) -> int | None:
    encodings = [token for token in _tokens(fields, b"transfer-encoding") if token != b"identity"]
    if encodings == [b"chunked"]:
        return None
    if encodings:
        raise Malformed("The transfer encoding of the request is not supported.", 501)
    lengths = set(_tokens(fields, b"content-length"))
    if not lengths:
        return 0
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:  # noqa: PLR2004 digits of 2**63
        raise Malformed("The length of the request's body is unclear.")
    return int(length)


def _passed_on(fields: Headers, length: int | None) -> Headers:
    kept = [field for field in fields if field[0] not in _DROPPED and field[0] not in _FRAMING]
    if length is None:
        kept.append((b"transfer-encoding", b"chunked"))
    elif any(key == b"content-length" for key, _ in fields):
        kept.append((b"content-length", b"%d" % length))
    return kept
