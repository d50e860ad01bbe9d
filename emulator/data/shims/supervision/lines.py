"""From pipes to a file of lines: numbered, timed, none lost, whatever the bytes."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from json.encoder import encode_basestring

CHUNK = 1 << 20
LONGEST = 64 * 1024
_REDRAW_S = 1.0
_PIPE_SIZE = 1 << 20
_F_SETPIPE_SZ = 1031
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class Splitter:
    """Cuts one stream into lines.

    A line longer than 64 KiB is split. Text before a lone carriage return is about to be
    drawn over (a progress bar): of such pieces at most one a second becomes a line, and
    always the last one before a newline. An unfinished line waits for its end.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._drawn = 0.0

    def feed(self, data: bytes, now: float) -> list[bytes]:
        data = self._rest + data
        if b"\r" not in data:
            *whole, rest = data.split(b"\n")
            if len(rest) <= LONGEST and max(map(len, whole), default=0) <= LONGEST:
                self._rest = rest  # the usual case, fast
                return [line for line in whole if line]
        *whole, self._rest = data.replace(b"\r\n", b"\n").split(b"\n")
        found = [piece for line in whole for piece in self._pieces(line)]
        found += self._redrawn(now)
        while len(self._rest) > LONGEST:
            piece, self._rest = _cut(self._rest)
            found.append(piece)
        return found

    def end(self) -> list[bytes]:
        rest, self._rest = self._rest, b""
        return list(self._pieces(rest))

    def _pieces(self, line: bytes) -> Iterator[bytes]:
        if b"\r" in line:
            drawn = [piece for piece in line.split(b"\r") if piece]
            line = drawn[-1] if drawn else b""
        while len(line) > LONGEST:
            piece, line = _cut(line)
            yield piece
        if line:
            yield line

    def _redrawn(self, now: float) -> Iterator[bytes]:
        if b"\r" not in self._rest[:-1]:
            return
        before, _, after = self._rest.rpartition(b"\r")
        if not after:  # it ends with a return: perhaps half of a line's end
            before, _, after = before.rpartition(b"\r")
            after += b"\r"
        drawn = [piece for piece in before.split(b"\r") if piece]
        self._rest = after
        if drawn and now - self._drawn >= _REDRAW_S:
            self._drawn = now
            yield drawn[-1]


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """Cut before a character, not within one."""
    at = LONGEST
    while at > LONGEST - 4 and line[at] & 0xC0 == 0x80:
        at -= 1
    return line[:at], line[at:]


class Writer:
    """Appends lines to a file, a write for many; where the disk is full it counts instead."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        self._seq = 0
        self._dropped = 0

    def write(self, stream: str, texts: list[str], now: float) -> None:
        named = f'"stream":"{stream}","text":'
        self._append([named + encode_basestring(text) for text in texts], now)

    def log(self, level: str, path: str, lineno: int, text: str, now: float) -> None:
        named = f'"level":{encode_basestring(level)},"path":{encode_basestring(path)}'
        body = f'"stream":"log","text":{encode_basestring(text)},{named},"lineno":{lineno}'
        self._append([body], now)

    def close(self) -> None:
        if self._dropped:
            self._append([], time.time())
        os.close(self._file)

    def _append(self, bodies: list[str], now: float) -> None:
        notice = []
        if self._dropped:
            text = f"{self._dropped} lines were lost: the disk of the data directory was full."
            notice = [f'"stream":"log","text":"{text}","level":"WARNING"']
        first = self._seq + 1
        rows = [
            f'{{"seq":{seq},"time":{now:.6f},{body}}}\n'
            for seq, body in enumerate([*notice, *bodies], first)
        ]
        if self._put("".join(rows).encode(errors="replace")):
            self._seq += len(rows)
            self._dropped = 0
        else:
            self._dropped += len(bodies)

    def _put(self, data: bytes) -> bool:
        """Append all or nothing."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError as error:
            if error.errno not in _FULL:
                raise
            os.ftruncate(self._file, self._size)
            return False
        self._size += len(data)
        return True


class Stream:
    """The reading end of stdout or stderr."""

    def __init__(self, name: str, writer: Writer) -> None:
        self.name = name
        self.reading, self.writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.reading, False)
        os.set_blocking(self.writing, True)
        try:
            fcntl.fcntl(self.writing, _F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:
            pass  # the user's share of pipe memory is used up: a small one works too
        self._splitter = Splitter()
        self._writer = writer

    def read(self) -> bool:
        """Take what is there; False at the end."""
        try:
            data = os.read(self.reading, CHUNK)
        except BlockingIOError:
            return True
        now = time.time()
        pieces = self._splitter.feed(data, now) if data else self._splitter.end()
        if pieces:
            self._writer.write(self.name, [piece.decode(errors="replace") for piece in pieces], now)
        return bool(data)

    def close(self) -> None:
        now = time.time()
        pieces = self._splitter.end()
        if pieces:
            self._writer.write(self.name, [piece.decode(errors="replace") for piece in pieces], now)
        os.close(self.reading)


class Records:
    """The reading end of the log stream: packets of ``sitecustomize``, one record each.

    A packet is kind, level, path, line number and text, parted by NUL.
    """

    name = "log"

    def __init__(self, writer: Writer) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._socket = ours
        self.reading, self.writing = ours.fileno(), theirs.detach()
        self.inode = os.fstat(self.writing).st_ino
        self.traceback = ""
        self._writer = writer

    def read(self) -> bool:
        """Take what is there; False at the end."""
        for _ in range(1000):
            try:
                packet = self._socket.recv(CHUNK)
            except BlockingIOError:
                return True
            if not packet:
                return False
            self._take(packet.decode(errors="replace"))
        return True

    def _take(self, packet: str) -> None:
        kind, level, path, lineno, text = [*packet.split("\0", 4), "", "", "", ""][:5]
        if kind == "T":
            self.traceback = text
        number = int(lineno) if lineno.isdecimal() else 0
        for at in range(0, len(text), LONGEST):
            self._writer.log(level, path, number, text[at : at + LONGEST], time.time())

    def close(self) -> None:
        self._socket.close()
