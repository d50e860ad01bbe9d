"""The body of an HTTP/1 request: where it ends, and its bytes without their framing."""

import re
from typing import Final, Protocol

from emulator.gateway.heads import Malformed

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
_LINE_LIMIT: Final = 4096
_TRAILERS_LIMIT: Final = 16 * 1024


class Body(Protocol):
    """Takes a connection's bytes as they come."""

    done: bool

    def feed(self, buffer: bytearray, start: int, end: int, pieces: list[bytes]) -> int:
        """Append the body's bytes of ``buffer[start:end]`` to ``pieces``; answer where it stopped.

        It stops before ``end`` only when the body is complete.
        """


class Sized:
    """A body of as many bytes as its Content-Length says."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, buffer: bytearray, start: int, end: int, pieces: list[bytes]) -> int:
        stop = min(end, start + self._left)
        if stop > start:
            with memoryview(buffer) as view:
                pieces.append(bytes(view[start:stop]))
            self._left -= stop - start
            self.done = self._left == 0
        return stop


class Chunked:
    """A body in chunks; extensions and trailers are skipped."""

    def __init__(self) -> None:
        self._left = 0  # bytes of the present chunk, its final CRLF not counted
        self._expect = self._size  # what the next whole line is
        self._line = bytearray()  # the beginning of a line whose end has not come
        self._trailers = 0
        self.done = False

    def feed(self, buffer: bytearray, start: int, end: int, pieces: list[bytes]) -> int:
        while start < end and not self.done:
            if self._left:
                stop = min(end, start + self._left)
                with memoryview(buffer) as view:
                    pieces.append(bytes(view[start:stop]))
                self._left -= stop - start
                start = stop
            else:
                start = self._take_line(buffer, start, end)
        return start

    def _take_line(self, buffer: bytearray, start: int, end: int) -> int:
        stop = buffer.find(b"\n", start, end) + 1 or end
        self._line += buffer[start:stop]
        if len(self._line) > _LINE_LIMIT:
            raise Malformed("A line between two chunks is too long.")
        if self._line.endswith(b"\n"):
            if not self._line.endswith(b"\r\n"):
                raise Malformed("A line between two chunks does not end in CR LF.")
            line = bytes(self._line[:-2])
            self._line.clear()
            self._expect(line)
        return stop

    def _size(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise Malformed("The size of a chunk is malformed.")
        self._left = int(size[1], 16)
        self._expect = self._after_chunk if self._left else self._trailer

    def _after_chunk(self, line: bytes) -> None:
        if line:
            raise Malformed("A chunk is longer than its size.")
        self._expect = self._size

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > _TRAILERS_LIMIT:
            raise Malformed("The trailers are too long.")
        self.done = not line
