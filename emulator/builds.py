"""Packages that are built once for everybody who submits them, as long as they do not change."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from emulator.packaging import LEFT_OUT, build


def built(package: Path, kept: Path) -> list[Path]:
    """The archives of a package directory; ``kept`` holds those that were built before."""
    package = package.absolute()
    folder = kept / _state(package)
    if not folder.is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept, prefix=".part-") as part:
            build(package, Path(part) / "dist")
            with contextlib.suppress(OSError):  # another process was faster
                (Path(part) / "dist").rename(folder)
    return sorted(folder.iterdir())


def _state(package: Path) -> str:
    """Changes when a file does that a build may read: by name, size, time and mode."""
    digest = hashlib.sha256(os.fsencode(package))
    for path in sorted(_read(package)):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            state = f"{found.st_size} {found.st_mtime_ns} {found.st_mode}"
            digest.update(os.fsencode(path) + b"\0" + state.encode() + b"\0")
    return digest.hexdigest()[:32]


def _read(package: Path) -> Iterator[Path]:
    """All files beside the package where a setup.py may name them, else only the next ones."""
    root = package.parent
    if (root / "setup.py").is_file():
        yield from _below(root)
    else:
        yield from (path for path in root.iterdir() if path.is_file())
        yield from _below(package)


def _below(root: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if name not in LEFT_OUT]
        yield from (Path(folder, name) for name in files)
