"""Where the processes of one test run meet, and how it is known that all of them are gone."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LEAVE_S: Final = 25.0  # longer than an emulator takes to end
POLL_S: Final = 0.02


class Meeting:
    """A folder with a pipe that every process of the run holds open, and a room an emulator.

    However a process ends, the kernel closes its end of the pipe; with the last one, whoever
    reads it sees the end of file. Nothing is made before the first ``hold``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pipe = folder / "users"
        self._held: int | None = None

    def hold(self) -> None:
        """This process takes part from now on, until ``release`` or its end."""
        if self._held is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._pipe, 0o600)
        self._held = os.open(self._pipe, os.O_RDWR | os.O_CLOEXEC)  # this way it never blocks
        os.register_at_fork(after_in_child=self.release)  # a child of a test does not count

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[int]:
        """The reading end of the pipe; this process must hold it."""
        handle = os.open(self._pipe, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator["Room"]:
        """A room that no other process enters this way for the time of the block."""
        with _locked(self.folder / f"{name}.lock"):
            room = Room(self.folder / name)
            room.folder.mkdir(exist_ok=True, mode=0o700)
            yield room

    def rooms(self) -> list["Room"]:
        if not self.folder.is_dir():
            return []
        return [Room(path) for path in sorted(self.folder.iterdir()) if path.is_dir()]

    def leave(self, deadline_s: float = LEAVE_S) -> bool:
        """Release, wait until every room is empty, and tidy up; False if it took too long."""
        self.release()
        end = time.monotonic() + deadline_s
        while any(room.is_occupied() for room in self.rooms()):
            if time.monotonic() > end:
                return False
            time.sleep(POLL_S)
        for room in self.rooms():
            room.clear()
        self.tidy()
        return True

    def tidy(self) -> None:
        """Remove the folder unless something in it is kept."""
        if self.folder.is_dir() and not self.rooms():
            shutil.rmtree(self.folder, ignore_errors=True)


class Room:
    """The folder of one emulator of the run, with its data and what its warden wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.output = folder / "output"
        self.occupancy = folder / "occupied"  # locked by the warden as long as it lives
        self._kept = folder / "keep"

    def keep(self) -> None:
        """Let the data outlive the run."""
        self._kept.touch()

    @property
    def is_kept(self) -> bool:
        return self._kept.exists()

    def is_occupied(self) -> bool:
        """Whether a warden lives here."""
        try:
            handle = os.open(self.occupancy, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def occupy(self) -> int:
        """The lock of a warden, to be inherited by it; its descriptor is the caller's to close."""
        handle = os.open(self.occupancy, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise
        return handle

    def words(self) -> str:
        """What the warden had to say; empty when all went well."""
        try:
            return self.output.read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def clear(self) -> None:
        """Remove everything, or everything but the data where that is kept."""
        if not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # whoever has it waits with a deadline of its own
        yield
    finally:
        os.close(handle)
