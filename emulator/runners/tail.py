"""A file of lines that is still being written, read from after a given line on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.cluster import Line

_CHUNK: Final = 1 << 20
_SEQ: Final = msgspec.json.Decoder(type=Line)


class Tail:
    """Reads lines.jsonl; a line that is not finished yet is left for the next ``read``."""

    def __init__(self, path: Path, since: int) -> None:
        self._path = path
        self._since = since
        self._file: int | None = None
        self._rest = b""

    def read(self) -> Iterator[Line]:
        """All that has come since the last call."""
        if self._file is None and not self._open():
            return
        assert self._file is not None  # noqa: S101 opened above
        while data := os.read(self._file, _CHUNK):
            *rows, self._rest = (self._rest + data).split(b"\n")
            for row in rows:
                line = _SEQ.decode(row)
                if line.seq > self._since:
                    yield line

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        if self._since:
            os.lseek(self._file, self._find(self._file), os.SEEK_SET)
        return True

    def _find(self, file: int) -> int:
        """The start of some line at or before the first that is wanted: lines are in order."""
        low, high = 0, os.fstat(file).st_size
        while high - low > _CHUNK:
            middle = (low + high) // 2
            data = os.pread(file, _CHUNK, middle)
            start = data.find(b"\n") + 1
            end = data.find(b"\n", start)
            if start and end > 0 and _SEQ.decode(data[start:end]).seq <= self._since:
                low = middle + start
            else:
                high = middle
        return low
