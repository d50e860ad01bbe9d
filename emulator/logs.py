"""Log entries of jobs: appended to one file a job, read by position and by time.

The file is the truth; a sparse index of times is built while writing and rebuilt when a
file is first read. An entry cut off by a crash is removed when its file is next opened.
A log may have a million lines: who wants few of them asks for spans and reads those that count.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.cluster import Line
from emulator.severity import Rated, rate

SERVICE: Final = "service"
_STEP: Final = 256  # entries of a span


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry. ``time`` in seconds since the epoch; ``id`` sorts as text within a job.

    ``source`` and ``seq`` say which line of which replica process it was, so that
    a restarted emulator goes on after the last line that it has.
    """

    id: str
    time: float
    severity: str
    task: str
    message: str
    path: str = ""
    lineno: int = 0
    source: str = ""
    seq: int = 0


_ENTRY: Final = msgspec.json.Decoder(type=Entry)


class Span(msgspec.Struct, frozen=True):
    """Some entries that follow each other in a file: what they lie between, not themselves."""

    earliest: float
    latest: float
    first_id: str
    last_id: str
    offset: int
    end: int


class _Mark(msgspec.Struct):
    offset: int
    first: int
    earliest: float
    latest: float


class _File:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.path = path
        self.count = 0
        self.end = 0
        self.marks: list[_Mark] = []
        self.seen: dict[str, int] = {}
        for entry, offset, after in self._read():
            self._note(entry, offset, after)
        os.ftruncate(self.handle, self.end)

    def _note(self, entry: Entry, offset: int, after: int) -> None:
        if self.count % _STEP == 0:
            self.marks.append(_Mark(offset, self.count + 1, entry.time, entry.time))
        self.count += 1
        self.end = after
        mark = self.marks[-1]
        mark.earliest = min(mark.earliest, entry.time)
        mark.latest = max(mark.latest, entry.time)
        if entry.source:
            self.seen[entry.source] = entry.seq

    def append(self, rated: Rated, *, time: float, task: str, source: str, seq: int) -> Entry:
        entry = Entry(
            id=_id(self.count + 1),
            time=time,
            severity=rated.severity,
            task=task,
            message=rated.message,
            path=rated.path,
            lineno=rated.lineno,
            source=source,
            seq=seq,
        )
        line = msgspec.json.encode(entry) + b"\n"
        written = 0
        while written < len(line):
            written += os.pwrite(self.handle, line[written:], self.end + written)
        self._note(entry, self.end, self.end + len(line))
        return entry

    def spans(self) -> Iterator[Span]:
        for index, mark in enumerate(self.marks):
            last, end = self.count, self.end
            if index + 1 < len(self.marks):
                last, end = self.marks[index + 1].first - 1, self.marks[index + 1].offset
            yield Span(mark.earliest, mark.latest, _id(mark.first), _id(last), mark.offset, end)

    def entries(self, span: Span) -> list[Entry]:
        data = os.pread(self.handle, span.end - span.offset, span.offset)
        return [_ENTRY.decode(line) for line in data.splitlines()]

    def _read(self) -> Iterator[tuple[Entry, int, int]]:
        """All whole entries, each with its own offset and the next."""
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield _ENTRY.decode(line), offset, offset + len(line)
                offset += len(line)


def _id(number: int) -> str:
    return f"{number:012d}"


class Logs:
    """The logs of all jobs below one folder, keyed by project and job."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[tuple[str, str], _File] = {}

    def close(self) -> None:
        for file in self._files.values():
            os.close(file.handle)
        self._files.clear()

    def write(
        self,
        project_id: str,
        job_id: str,
        message: str,
        *,
        time: float,
        severity: str = "INFO",
        task: str = SERVICE,
    ) -> None:
        """Append an entry in the service's own words."""
        self._file(project_id, job_id).append(
            Rated(severity, message), time=time, task=task, source="", seq=0
        )

    def append(self, project_id: str, job_id: str, task: str, source: str, line: Line) -> None:
        """Append a replica's line, unless it is there already."""
        file = self._file(project_id, job_id)
        if line.seq > file.seen.get(source, 0):
            file.append(rate(line), time=line.time, task=task, source=source, seq=line.seq)

    def last_seq(self, project_id: str, job_id: str, source: str) -> int:
        """The number of the last line that is kept of this replica process; 0 for none."""
        return self._file(project_id, job_id).seen.get(source, 0)

    def spans(self, project_id: str, job_id: str) -> list[Span]:
        """All entries of one job in order of arrival, as spans; see ``entries``."""
        if not self._path(project_id, job_id).exists():
            return []
        return list(self._file(project_id, job_id).spans())

    def entries(self, project_id: str, job_id: str, span: Span) -> list[Entry]:
        """The entries of one of a job's spans."""
        return self._file(project_id, job_id).entries(span)

    def release(self, project_id: str, job_id: str) -> None:
        """Close the file of a job that has ended; it opens again when read."""
        file = self._files.pop((project_id, job_id), None)
        if file is not None:
            os.close(file.handle)

    def jobs(self, project_id: str) -> list[str]:
        """The ids of all jobs of a project that have a log."""
        folder = self._root / project_id
        return sorted(path.stem for path in folder.glob("*.jsonl")) if folder.is_dir() else []

    def _path(self, project_id: str, job_id: str) -> Path:
        return self._root / project_id / f"{job_id}.jsonl"

    def _file(self, project_id: str, job_id: str) -> _File:
        key = (project_id, job_id)
        if key not in self._files:
            self._files[key] = _File(self._path(project_id, job_id))
        return self._files[key]
