"""Multipart bodies, read as they come: uploads with metadata, and batches."""

import re
from collections.abc import AsyncIterator
from email.message import Message
from typing import Final

from emulator.storage.refusals import Refusal, invalid

_HEAD_LIMIT: Final = 64 << 10  # bytes of a part's headers
_LINE: Final = re.compile(rb"\r?\n")


class Multipart:
    """The parts of a body, one after the other; lines end with CRLF or with LF.

    ``next_part`` goes from part to part; ``content`` reads the present one, and what is not
    read of it is skipped. A body without its closing line is refused.
    """

    def __init__(self, body: AsyncIterator[bytes], content_type: str) -> None:
        boundary = _boundary(content_type)
        self._source = body
        self._buffer = b"\n"  # the first boundary has no line before it
        self._mark = b"\n--" + boundary
        self._line_end = 1  # bytes at the buffer's start that are a boundary's, or nobody's
        self._first = True
        self._in_part = True  # the preamble
        self._ended = False

    async def next_part(self) -> dict[str, str] | None:
        """The headers of the next part, with lower-case names; None at the end."""
        if self._ended:
            return None
        async for _ in self.content():
            pass
        self._ended = await self._is_last()
        return None if self._ended else await self._headers()

    async def content(self) -> AsyncIterator[bytes]:
        """What is left of the present part."""
        if not self._in_part:
            return
        skip = self._line_end
        while True:
            at = self._buffer.find(self._mark)
            if at >= 0:
                piece, self._buffer = self._buffer[:at], self._buffer[at + len(self._mark) :]
                self._in_part = False
                if piece[skip:]:
                    yield piece[skip:]
                return
            keep = len(self._mark) - 1
            if len(self._buffer) > keep + skip:
                piece, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                if piece[skip:]:
                    yield piece[skip:]
                skip = 0
            await self._more()

    async def read(self, limit: int) -> bytes:
        """The rest of the present part, which must be a small one."""
        pieces = []
        async for piece in self.content():
            pieces.append(piece)
            limit -= len(piece)
            if limit < 0:
                raise Refusal(413, "uploadTooLarge", "A part of the request is too large.")
        return b"".join(pieces)

    async def _is_last(self) -> bool:
        """Read the rest of a boundary's line."""
        while b"\n" not in self._buffer and not self._buffer.startswith(b"--"):
            await self._more()
        if self._buffer.startswith(b"--"):
            async for _ in self._source:
                pass
            return True
        line, _, rest = self._buffer.partition(b"\n")
        if self._first:
            self._first = False
            if line.endswith(b"\r"):
                self._mark = b"\r" + self._mark
        self._buffer = b"\n" + rest
        return False

    async def _headers(self) -> dict[str, str]:
        """Read a part's headers; their last line end stays, for a boundary to begin with."""
        while not (end := re.search(rb"\n\r?\n", self._buffer)):
            if len(self._buffer) > _HEAD_LIMIT:
                raise invalid("The headers of a part are too long.")
            await self._more()
        head = self._buffer[: end.start()]
        tail = self._mark.partition(b"-")[0]
        self._buffer = tail + self._buffer[end.end() :]
        self._in_part, self._line_end = True, len(tail)
        return parse_headers(head)

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._source)
        except StopAsyncIteration:
            raise invalid("Multipart body without its closing boundary.") from None


def parse_headers(head: bytes) -> dict[str, str]:
    """Lower-case names; lines without a colon are ignored."""
    headers = {}
    for line in _LINE.split(head):
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        raise invalid("The Content-Type must be multipart/… with a boundary.")
    if len(boundary) > 1 and boundary[0] == boundary[-1] == "'":
        boundary = boundary[1:-1]  # gcloud quotes it as no standard does
    return boundary.encode("latin-1")
