"""Log entries of jobs: appended to one file a job, read by position and by time.

The file is the truth; a sparse index of times is built while writing and rebuilt when a
file is first read. An entry cut off by a crash is removed when its file is next opened.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.cluster import Line
from emulator.severity import Rated, rate

SERVICE: Final = "service"
_STEP: Final = 256  # entries between two marks of the index


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


class _File:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.path = path
        self.count = 0
        self.end = 0
        self.latest = 0.0
        self.marks: list[tuple[float, int]] = []  # (latest time before it, offset)
        self.seen: dict[str, int] = {}
        for entry, offset, after in self.read(0):
            self._note(entry, offset, after)
        os.ftruncate(self.handle, self.end)

    def _note(self, entry: Entry, offset: int, after: int) -> None:
        if self.count % _STEP == 0:
            self.marks.append((self.latest, offset))
        self.count += 1
        self.end = after
        self.latest = max(self.latest, entry.time)
        if entry.source:
            self.seen[entry.source] = entry.seq

    def append(self, rated: Rated, *, time: float, task: str, source: str, seq: int) -> Entry:
        entry = Entry(
            id=f"{self.count + 1:012d}",
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

    def read(self, offset: int) -> Iterator[tuple[Entry, int, int]]:
        """Whole entries from a byte offset on, each with its own offset and the next."""
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield msgspec.json.decode(line, type=Entry), offset, offset + len(line)
                offset += len(line)

    def offset_of(self, time: float) -> int:
        """An offset before which every entry is older than ``time``."""
        found = 0
        for latest, offset in self.marks:
            if latest >= time:
                break
            found = offset
        return found


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

    def read(self, project_id: str, job_id: str, *, since: float = 0.0) -> Iterator[Entry]:
        """Entries of one job in order of arrival, none older than ``since`` (seconds)."""
        if not self._path(project_id, job_id).exists():
            return
        file = self._file(project_id, job_id)
        for entry, _, _ in file.read(file.offset_of(since)):
            if entry.time >= since:
                yield entry

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
