"""What may be in an uploaded package: refused before anything is unpacked."""

import bz2
import gzip
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from emulator.errors import CmleError

_READ_BYTES: Final = 16 << 20  # headers of a tar are read in one piece


class Limits(msgspec.Struct, frozen=True):
    """Far above real packages, far below what fills a disk."""

    members: int = 200_000
    unpacked_bytes: int = 8 << 30


class Refused(CmleError):
    """An archive that must not be unpacked."""


class _Member(msgspec.Struct, frozen=True):
    name: str
    size: int
    leads_to: str = ""
    is_special: bool = False


def check(path: Path, limits: Limits | None = None) -> None:
    """Raise Refused for members that lead outside, device files, and bombs.

    What is no archive, or a broken one, is left to the installer's own words.
    """
    limits = limits or Limits()
    size = count = 0
    try:
        for member in _members(path):
            count += 1
            size += member.size
            if count > limits.members or size > limits.unpacked_bytes:
                raise Refused(
                    f"{path.name} unpacks to more than {limits.members} files or "
                    f"{limits.unpacked_bytes >> 20} MiB, and is not unpacked."
                )
            _check_member(path.name, member)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError):
        return


def _check_member(archive: str, member: _Member) -> None:
    if member.is_special:
        raise Refused(f"{archive} holds a device or a pipe ({member.name}), and is not unpacked.")
    if _is_outside(member.name) or _is_outside(member.leads_to):
        raise Refused(
            f"{archive} has a member ({member.name}) that leads outside of its own folder, "
            "and is not unpacked."
        )


def _is_outside(name: str) -> bool:
    plain = posixpath.normpath(name.replace("\\", "/"))
    return plain == ".." or plain.startswith(("/", "../"))


def _members(path: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                yield _Member(info.filename, info.file_size)
        return
    with _unpacked(path) as content:
        guarded = cast("IO[bytes]", _Guarded(path.name, content))
        with tarfile.open(fileobj=guarded, mode="r:") as tar:
            for member in tar:
                yield _of_tar(member)


def _of_tar(member: tarfile.TarInfo) -> _Member:
    special = not (member.isreg() or member.isdir() or member.issym() or member.islnk())
    leads_to = ""
    if member.issym():
        leads_to = posixpath.join(posixpath.dirname(member.name), member.linkname)
    elif member.islnk():
        leads_to = member.linkname
    return _Member(member.name, member.size, leads_to, special)


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.open(path))
    if magic.startswith(b"\xfd7zXZ"):
        return cast("IO[bytes]", lzma.open(path))
    return path.open("rb")


class _Guarded:
    """A file that refuses to be read in giant pieces (a header can claim any length)."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name = name
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _READ_BYTES:
            raise Refused(f"{self._name} has a header of {size} bytes, and is not unpacked.")
        return self._file.read(size)
