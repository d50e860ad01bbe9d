"""The data directory: its layout, its format number, its one owner and its address card."""

import contextlib
import fcntl
import os
import secrets
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.errors import OperatorError

FORMAT: Final = 1
_WARDEN_S: Final = 60.0  # for the end of what a killed emulator left
_AGAIN_S: Final = 0.1
_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux


class Endpoint(msgspec.Struct, frozen=True):
    """What a running emulator says of itself in ``endpoint.json``."""

    pid: int
    port: int
    url: str
    project: str
    ca_path: str
    bundle_path: str
    gateway_pid: int
    started: float
    runner: str
    isolation: str


class DataDir:
    """Everything the emulator keeps, below one folder. See ``open``."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.database = self.root / "emulator.db"
        self.logs = self.root / "logs"
        self.authority = self.root / "authority"
        self.storage = self.root / "storage"
        self.sites = self.root / "sites"
        self.staged = self.root / "staged"
        self.models = self.root / "models"
        self.warden = self.root / "warden.pid"
        self._lock: int | None = None

    @property
    def instance(self) -> str:
        """The random name that every socket and process of this folder carries."""
        return (self.root / "instance").read_text()

    def open(self) -> None:
        """Take ownership: make the layout, refuse a newer format and a second owner."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._wait_for_warden()
            self._take_lock()
            self._check_format()
            for folder in (self.logs, self.storage, self.sites, self.staged, self.models):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            self.close()
            raise OperatorError(
                f"The data directory {self.root} cannot be used: {error.strerror or error}. "
                "Choose another with --data-dir, or make it writable."
            ) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Own it for the block, as it is; OperatorError if it is an emulator's."""
        self._take_lock()
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def owner(self) -> int | None:
        """The pid of the emulator that owns the folder now; None when it is free."""
        try:
            handle = os.open(self.root / "lock", os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        finally:
            os.close(handle)
        return None if kind == fcntl.F_UNLCK else pid

    def warden_pid(self) -> int | None:
        """The process that ends what an emulator leaves when it is killed, if there is one."""
        try:
            return int(self.warden.read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def endpoint(self) -> Endpoint | None:
        """The card of the emulator that runs here; None when none does."""
        return None if self.owner() is None else self.last_endpoint()

    def last_endpoint(self) -> Endpoint | None:
        """The card of the emulator that runs here or did not end in order; None without one."""
        try:
            return msgspec.json.decode((self.root / "endpoint.json").read_bytes(), type=Endpoint)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def publish(self, endpoint: Endpoint) -> None:
        write_whole(self.root / "endpoint.json", msgspec.json.encode(endpoint))

    def withdraw(self) -> None:
        (self.root / "endpoint.json").unlink(missing_ok=True)

    def _wait_for_warden(self) -> None:
        """It owns the folder while it ends what a killed emulator left there."""
        deadline = time.monotonic() + _WARDEN_S
        while (owner := self.owner()) and owner == self.warden_pid():
            if time.monotonic() > deadline:
                return
            time.sleep(_AGAIN_S)

    def _take_lock(self) -> None:
        self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            owner = self.owner()
            raise OperatorError(
                f"Another emulator (process {owner}) already runs on {self.root}. "
                "Stop it first, or start this one with another --data-dir."
            ) from None

    def _check_format(self) -> None:
        version = self.root / "version"
        if version.exists():
            found = version.read_text().strip()
            if not found.isdecimal() or int(found) > FORMAT:
                raise OperatorError(
                    f"The data directory {self.root} has format {found}, made by a newer version "
                    f"of the emulator; this one reads up to {FORMAT}. Upgrade the emulator, or "
                    "choose another --data-dir. Nothing was changed."
                )
        else:
            write_whole(version, str(FORMAT).encode())
        if not (self.root / "instance").exists():
            write_whole(self.root / "instance", secrets.token_hex(6).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write so that a reader, or a crash, sees the old content or the new, never a part."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
