"""From an engine's raw log to numbered lines; a second reading numbers them the same.

One frame is one record of the engine's ``json-file``: eight bytes (stream, length), then
``TIME TEXT``, where only the last piece of a long line ends in a newline. The engine's own
times are the only clock here, so that nothing depends on when it is read.
"""

import base64
import binascii
import calendar
import json
import re
import struct
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, Literal

from emulator.cluster import Line
from emulator.runners.splitter import LONGEST, Splitter

RECORD: Final = "\x1ecmle "  # a record of logging on stderr: see sitecustomize
TRACEBACK: Final = "T"
_HEAD: Final = struct.Struct(">BxxxI")
_LONGEST_FRAME: Final = 1 << 20
_TIME: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z ")
_PENDING: Final = 1000  # unfinished records that are kept


Frame = tuple[int, int, bytes]  # stream, nanoseconds since the epoch, text


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """ValueError where it is no log of an engine's."""
        data = self._rest + data
        at = 0
        while len(data) - at >= _HEAD.size:
            stream, length = _HEAD.unpack_from(data, at)
            if stream > 2 or length > _LONGEST_FRAME:  # noqa: PLR2004 stdin, stdout, stderr
                raise ValueError("the engine's log is not in frames")
            if len(data) - at - _HEAD.size < length:
                break
            at += _HEAD.size
            yield stream, *_timed(data[at : at + length])
            at += length
        self._rest = data[at:]


def _timed(payload: bytes) -> tuple[int, bytes]:
    found = _TIME.match(payload)
    if found is None:
        return 0, payload
    return _second(found[1]) + int((found[2] or b"").ljust(9, b"0")), payload[found.end() :]


@lru_cache(maxsize=16)
def _second(text: bytes) -> int:
    """In nanoseconds."""
    return calendar.timegm(time.strptime(text.decode(), "%Y-%m-%dT%H:%M:%S")) * 10**9


class Lines:
    """Numbers the lines of one container from 1, its records of logging among them."""

    def __init__(self) -> None:
        self._seq = 0
        self._splitters = {1: Splitter(), 2: Splitter()}
        self._records = Records()
        self._last = 0.0

    def take(self, frame: Frame) -> Iterator[Line]:
        """The lines that a frame ends."""
        stream, nanoseconds, text = frame
        self._last = now = nanoseconds / 1e9 or self._last
        for piece in self._splitters[stream or 1].feed(text, now):
            yield from self._lines(stream, now, piece)

    def end(self) -> Iterator[Line]:
        """What no newline ended."""
        for stream, splitter in self._splitters.items():
            for piece in splitter.end():
                yield from self._lines(stream, self._last, piece)

    def _lines(self, stream: int, now: float, piece: bytes) -> Iterator[Line]:
        text = piece.decode(errors="replace")
        if stream == 2 and text.startswith(RECORD):  # noqa: PLR2004 stderr
            record = self._records.take(text)
            if record is not None:
                _, level, path, lineno, said = record
                for at in range(0, len(said), LONGEST):
                    part = said[at : at + LONGEST]
                    yield self._numbered(now, "log", part, (level, path, lineno))
            return
        yield self._numbered(now, "stderr" if stream == 2 else "stdout", text)  # noqa: PLR2004

    def _numbered(
        self,
        now: float,
        stream: Literal["stdout", "stderr", "log"],
        text: str,
        place: tuple[str, str, int] = ("", "", 0),
    ) -> Line:
        self._seq += 1
        return Line(self._seq, now, stream, text, *place)


def all_lines(frames: Iterable[Frame]) -> Iterator[Line]:
    """Of a log that is over."""
    lines = Lines()
    for frame in frames:
        yield from lines.take(frame)
    yield from lines.end()


class Records:
    """Puts the pieces of records together, whichever processes they come from."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[str]] = {}

    def take(self, text: str) -> tuple[str, str, str, int, str] | None:
        """Kind, level, path, line number and text, once the last piece has come."""
        key, _, piece = text.removeprefix(RECORD).partition(" ")
        more, _, body = piece.partition(" ")
        pieces = [*self._pieces.pop(key, []), body]
        if more == "+":
            if len(self._pieces) >= _PENDING:  # of processes that were killed
                self._pieces.pop(next(iter(self._pieces)))
            self._pieces[key] = pieces
            return None
        try:
            found: Any = json.loads(base64.b64decode("".join(pieces)))
            kind, level, path, lineno, said = found
            return str(kind), str(level), str(path), int(lineno), str(said)
        except (ValueError, TypeError, binascii.Error):
            return None  # a program's own, or a piece of it was lost


def last_traceback(frames: Iterable[Frame]) -> str:
    """The last traceback among the frames of a log, or of its end."""
    splitter, records, found = Splitter(), Records(), ""
    for stream, nanoseconds, text in frames:
        if stream != 2:  # noqa: PLR2004 stderr
            continue
        for piece in splitter.feed(text, nanoseconds / 1e9):
            line = piece.decode(errors="replace")
            if line.startswith(RECORD):
                record = records.take(line)
                if record is not None and record[0] == TRACEBACK:
                    found = record[4]
    return found
