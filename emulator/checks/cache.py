"""Reports kept by the contents of everything that they depend on."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from emulator.findings import Report
from emulator.packaging import LEFT_OUT
from emulator.shipped import PACKAGE, SHIMS

_WHOLE: Final = 4 << 20  # larger files count by size and time
_KEPT: Final = 200


class Cache:
    """A folder of reports; one that cannot be written to keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Report | None:
        try:
            report = msgspec.json.decode((self._folder / f"{key}.json").read_bytes(), type=Report)
        except (OSError, msgspec.DecodeError):
            return None
        return msgspec.structs.replace(report, cached=True)

    def keep(self, key: str, report: Report) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f".{key}.{secrets.token_hex(4)}"
            part.write_bytes(msgspec.json.encode(report))
            part.replace(self._folder / f"{key}.json")
            self._forget()

    def _forget(self) -> None:
        """Keep the newest reports only."""
        files = sorted(self._folder.glob("*.json"), key=lambda it: it.stat().st_mtime)
        for path in files[:-_KEPT]:
            path.unlink(missing_ok=True)


def key(root: Path, extra: Iterable[str]) -> str:
    """The same for the same files below a folder (or archive), rules and other inputs."""
    digest = hashlib.sha256(_rules().encode())
    for text in extra:
        digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogateescape"))
    for path in _files(root):
        stat = path.lstat()
        name = os.fsencode(path.relative_to(root)) if path != root else b""
        digest.update(b"\0%d:%s:%o:" % (len(name), name, stat.st_mode))
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()))
        if not path.is_file():
            continue
        stat = path.stat()
        if stat.st_size > _WHOLE:
            digest.update(b"%d@%d" % (stat.st_size, stat.st_mtime_ns))
        else:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:40]


@cache
def _rules() -> str:
    """A digest of the code that judges, so that a new rule looks again."""
    digest = hashlib.sha256()
    files = [*(PACKAGE / "checks").rglob("*.py"), SHIMS / "probe.py", PACKAGE / "packaging.py"]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in LEFT_OUT and not Path(folder, name, "pyvenv.cfg").is_file()
        )
        links = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in sorted([*names, *links]))
