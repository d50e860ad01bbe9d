"""Installations that outlive a data directory, for the next emulator and the next check.

Only what pip made of the archives alone is kept: a dependency that came from an index may be
another one tomorrow. Whoever takes an installation gets a copy, so nobody changes another's.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from emulator.shipped import PACKAGE, SHIMS

_MOST: Final = 300
_MOST_BYTES: Final = 20_000_000
_MAKERS: Final = (  # as an installation is made by other code, it is another one
    PACKAGE / "staging.py",
    PACKAGE / "installation.py",
    PACKAGE / "archives.py",
    SHIMS / "install.py",
)


class Kept:
    """The installations below one folder of a user's cache, the last used ones."""

    def __init__(self, folder: Path, *, most: int = _MOST) -> None:
        self._folder = folder
        self._most = most

    def copy(self, key: str, target: Path) -> bool:
        """Put a copy at ``target``; False, and nothing there, if there is none to have."""
        found = self._path(key)
        if not found.is_dir():
            return False
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            os.utime(found)
            shutil.copytree(found, part, symlinks=True)
            part.rename(target)
        except (OSError, shutil.Error):  # another process has just removed it
            shutil.rmtree(part, ignore_errors=True)
            return False
        return True

    def keep(self, key: str, root: Path, archives: int) -> None:
        """Keep a copy of what was made of so many archives, if nothing else came with them."""
        installed = len(list(root.glob("lib/python*/site-packages/*-info")))
        if installed > archives or _size(root) > _MOST_BYTES:
            return
        part = self._folder / f".{secrets.token_hex(8)}"
        with contextlib.suppress(OSError, shutil.Error):  # a cache may be full, or read-only
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                shutil.copytree(root, part, symlinks=True)
                os.utime(part)
                part.rename(self._path(key))
            finally:
                shutil.rmtree(part, ignore_errors=True)
            self._tidy()

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode())
        for path in _MAKERS:
            digest.update(path.read_bytes())
        return self._folder / digest.hexdigest()[:32]

    def _tidy(self) -> None:
        """Remove what was not used for longest."""
        found = sorted(self._folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime)
        for path in found[: max(0, len(found) - self._most)]:
            gone = self._folder / f".{secrets.token_hex(8)}"
            path.rename(gone)  # at once: nobody copies half of it
            shutil.rmtree(gone, ignore_errors=True)


def _size(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*"))
