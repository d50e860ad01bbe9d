"""What a container gets before it starts, as one archive that is unpacked at its root.

Bind mounts would name paths of the engine's machine, which may be another's, and would leave
files of strange owners; an archive needs neither.
"""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final

from emulator.cluster import Bind
from emulator.environment import SYSTEM_BUNDLE
from emulator.errors import OperatorError

USER: Final = 65534  # "nobody", and not the root of the engine's machine
VOLUME: Final = "volume:"
BUNDLE_NAMES: Final = (  # where other distributions and OpenSSL builds look for it
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
READY: Final = "cmle.ready"  # label of images that have a replica's folders and those names
_IN_MEMORY: Final = 8 << 20


class Archive:
    """Entries for a container's file system; ``finished`` is what ``put_archive`` takes."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 close()
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._made: set[str] = set()

    @property
    def is_empty(self) -> bool:
        return not self._tar.getmembers()

    def folder(self, path: str, mode: int = 0o755, owner: int = USER) -> None:
        """A folder of the replica's own; one that exists changes hands."""
        self._made.add(path)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
        self._tar.addfile(info)

    def content(self, path: str, data: bytes, mode: int = 0o444, owner: int = 0) -> None:
        info = tarfile.TarInfo(path.lstrip("/"))
        info.size, info.mode, info.uid, info.gid = len(data), mode, owner, owner
        self._tar.addfile(info, io.BytesIO(data))

    def link(self, path: str, target: str) -> None:
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self._tar.addfile(info)

    def authorities(self, bundle: bytes) -> None:
        """The emulator's authority, wherever a program may look for the system's."""
        self.content(SYSTEM_BUNDLE, bundle)
        for path in BUNDLE_NAMES:
            self.link(path, SYSTEM_BUNDLE)

    def copy(self, source: Path, target: str) -> None:
        """A file or a folder of this machine, owned by the container's root: read-only."""
        try:
            for path, name in _walk(source, target):
                if name not in self._made:
                    self._tar.add(path, name.lstrip("/"), recursive=False, filter=_as_roots)
        except OSError as error:
            raise OperatorError(
                f"{error.filename or source} cannot be copied into the container: "
                f"{error.strerror or error}."
            ) from error

    def finished(self) -> bytes | IO[bytes]:
        self._tar.close()
        size = self._file.tell()
        self._file.seek(0)
        return self._file.read() if size <= _IN_MEMORY else self._file

    def close(self) -> None:
        self._file.close()


def _walk(source: Path, target: str) -> Iterator[tuple[str, str]]:
    base = str(PurePosixPath(target))
    if not source.exists():
        raise FileNotFoundError(2, "No such file or directory", str(source))
    yield os.path.realpath(source), base
    for folder, folders, names in os.walk(source):
        below = Path(folder).relative_to(source)
        for name in sorted((*folders, *names)):
            yield str(Path(folder, name)), str(PurePosixPath(base, below.as_posix(), name))


def _as_roots(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
        return None  # a socket or a device is nothing to copy
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    executable = 0o111 if info.isdir() or info.mode & 0o100 else 0
    info.mode = 0o444 | executable | (0o200 if info.isdir() else 0)
    return info


def volume_of(bind: Bind) -> str:
    """The name of the volume that a bind means; empty where it means a path."""
    return bind.source.removeprefix(VOLUME) if bind.source.startswith(VOLUME) else ""


def refuse_writable(binds: Sequence[Bind]) -> None:
    for bind in binds:
        if bind.writable and not volume_of(bind):
            raise OperatorError(
                f"A container cannot write into {bind.source} of this machine: only copies go in. "
                "Give it a volume (`volume:NAME`), or run it with --runner process."
            )
