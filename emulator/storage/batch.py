"""``/batch/storage/v1``: many small requests in one."""

import http
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from emulator.storage.messages import DOCUMENT_LIMIT, Head, Reply, Request
from emulator.storage.multipart import Multipart, parse_headers
from emulator.storage.refusals import Refusal, invalid

_MOST: Final = 1000  # the service takes 100; gcsfs and our own tools are not punished for more
_REQUEST_LINE: Final = re.compile(rb"([A-Z]+) (\S+)(?: HTTP/\d\.\d)?")

Answer = Callable[[Request], Awaitable[Reply]]


async def answer(request: Request, inner: Answer) -> Reply:
    """Answer every part by ``inner``, in their order."""
    multipart = Multipart(request.body(), request.headers.get("content-type", ""))
    boundary = f"batch_{secrets.token_hex(12)}"
    lines: list[bytes] = []
    count = 0
    while (headers := await multipart.next_part()) is not None:
        count += 1
        if count > _MOST:
            raise invalid(f"The batch request must not contain more than {_MOST} calls.")
        content = await multipart.read(DOCUMENT_LIMIT)
        lines.append(b"--" + boundary.encode())
        lines += _part_head(headers.get("content-id"))
        lines += await _one(request, content, inner)
    if not count:
        raise invalid("The batch request holds no calls.")
    lines += [b"--" + boundary.encode() + b"--", b""]
    kind = f"multipart/mixed; boundary={boundary}"
    return Reply(200, [(b"content-type", kind.encode())], b"\r\n".join(lines))


def parse(content: bytes, outer: Request) -> Request:
    """A part as a request of its own; with CRLF or LF, and however its head ends."""
    head, _, body = re.sub(rb"^\s+", b"", content).partition(b"\n")
    match = _REQUEST_LINE.fullmatch(head.strip())
    if match is None:
        raise invalid("A part of the batch does not begin with a request line.")
    if ends := re.search(rb"(?:^|\n)\r?\n", body):
        fields, body = body[: ends.start()], body[ends.end() :]
    else:
        fields, body = body, b""
    headers = parse_headers(fields)
    target = urlsplit(match[2].decode("latin-1"))
    inherited: dict[str, str] = {
        name: value for name, value in outer.headers.items() if name in {"authorization", "host"}
    }
    return Request(
        Head(
            method=match[1].decode(),
            path=target.path,
            query=target.query,
            headers={**headers, **inherited},
            identity=outer.identity,
            scheme=outer.head.scheme,
        ),
        content=body[: int(headers["content-length"])]
        if headers.get("content-length", "").isdecimal()
        else body.rstrip(b"\r\n"),
    )


async def _one(outer: Request, content: bytes, inner: Answer) -> list[bytes]:
    try:
        reply = await inner(parse(content, outer))
    except Refusal as refusal:
        reply = Reply.refused(refusal)
    body = reply.body
    if not isinstance(body, bytes):
        if reply.close is not None:
            reply.close()
        reply = Reply.refused(invalid("Media is not served in a batch."))
        body = bytes(reply.body) if isinstance(reply.body, bytes) else b""
    phrase = http.HTTPStatus(reply.status).phrase.encode()
    headers = [name.title() + b": " + value for name, value in reply.headers]
    return [
        b"HTTP/1.1 %d %b" % (reply.status, phrase),
        *headers,
        b"Content-Length: %d" % len(body),
        b"",
        body,
    ]


def _part_head(content_id: str | None) -> list[bytes]:
    lines = [b"Content-Type: application/http"]
    if content_id:
        inner = content_id.strip().removeprefix("<").removesuffix(">")
        lines.append(f"Content-ID: <response-{inner}>".encode("latin-1"))
    return [*lines, b""]
