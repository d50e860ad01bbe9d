"""Bytes in order out of a file that may be compressed, with limits on what it may claim."""

import bz2
import gzip
import lzma
import zlib
from typing import IO, Final, Protocol

MAX_BYTES: Final = 12 << 30  # more than may be deployed; also of what a compressed file holds
MAX_LINE: Final = 65_536
_CHUNK: Final = 1 << 20
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"]\x00": "lzma",
    b"x": "zlib",
    b"\x04\x22\x4d\x18": "lz4",
}


class BrokenError(Exception):
    """The bytes are not what they should be, or break a limit of this reader."""


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Inflater:
    """Reads what zlib compressed."""

    def __init__(self, file: Source) -> None:
        self._file = file
        self._inflater = zlib.decompressobj()
        self._rest = b""

    def read(self, size: int) -> bytes:
        while not self._inflater.eof:
            data = self._rest or self._file.read(_CHUNK)
            if not data:
                return b""
            out = self._inflater.decompress(data, size)
            self._rest = self._inflater.unconsumed_tail
            if out:
                return out
        return b""


class Stream:
    """Bytes in order, with limits; lengths that are claimed are not believed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""
        self._at = 0
        self._total = 0

    def take(self, size: int) -> bytes:
        if size > _CHUNK:
            raise BrokenError(f"a value of {size} bytes where a small one belongs")
        while len(self._buffer) - self._at < size:
            self._fill()
        start, self._at = self._at, self._at + size
        return self._buffer[start : self._at]

    def line(self) -> bytes:
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if len(self._buffer) - self._at > MAX_LINE:
                raise BrokenError("a line that does not end")
            self._fill()
        start, self._at = self._at, end + 1
        return self._buffer[start:end]

    def skip(self, size: int) -> None:
        while size > (held := len(self._buffer) - self._at):
            size -= held
            self._at = len(self._buffer)
            self._fill()
        self._at += size

    def _fill(self) -> None:
        try:
            more = self._source.read(_CHUNK)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise BrokenError(f"it cannot be decompressed: {error}") from error
        if not more:
            raise BrokenError("it ends in the middle")
        self._total += len(more)
        if self._total > MAX_BYTES:
            raise BrokenError(f"it holds more than {MAX_BYTES} bytes")
        self._buffer = self._buffer[self._at :] + more
        self._at = 0


def compression(head: bytes) -> str:
    """How a file is compressed that begins so; "" if it is not."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def opened(file: IO[bytes], compressed: str) -> Source:
    """What a compressed file holds; lz4 is not read."""
    match compressed:
        case "gzip":
            return gzip.GzipFile(fileobj=file)
        case "bz2":
            return bz2.BZ2File(file)
        case "xz" | "lzma":
            return lzma.LZMAFile(file)
        case "zlib":
            return _Inflater(file)
        case _:
            return file
