"""What an archive holds, read without unpacking it."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from emulator import archives
from emulator.checks.evidence import Archive, Member

_LARGEST_TEXT: Final = 1 << 20
_ALL_TEXTS: Final = 64 << 20
_TEXTS: Final = (".py", ".txt", ".json", ".cfg", ".pem", ".env", ".toml", ".in", ".yaml", ".yml")
_NAMED: Final = ("PKG-INFO", "METADATA", "RECORD", ".boto", "id_rsa")


def read(path: Path, limits: archives.Limits | None = None) -> Archive:
    """List an archive, with its texts; one that must not be unpacked comes with its refusal."""
    try:
        archives.check(path, limits)
    except archives.Refused as refused:
        return Archive(path.name, refusal=str(refused))
    try:
        found = list(_members(path))
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError):
        return Archive(path.name, refusal=f"{path.name} is not an archive that can be read.")
    texts = {member.name: text for member, text in found if text is not None}
    return Archive(path.name, tuple(member for member, _ in found), texts)


def _members(path: Path) -> Iterator[tuple[Member, str | None]]:
    left = _ALL_TEXTS
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            for info in zipped.infolist():
                wanted = _is_text(info.filename, info.file_size) and left > 0
                text = zipped.read(info) if wanted else None
                left -= len(text or b"")
                yield Member(info.filename, info.file_size), _decoded(text)
        return
    with tarfile.open(path) as packed:
        for member in packed:
            if not member.isreg():
                continue
            wanted = _is_text(member.name, member.size) and left > 0
            file = packed.extractfile(member) if wanted else None
            text = file.read() if file else None
            left -= len(text or b"")
            yield Member(member.name, member.size), _decoded(text)


def _is_text(name: str, size: int) -> bool:
    return size <= _LARGEST_TEXT and name.endswith((*_TEXTS, *_NAMED))


def _decoded(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace").removeprefix("\ufeff")
