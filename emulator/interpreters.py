"""Finding a Python of a given version on this machine, or having uv fetch one."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from emulator.commands import run

_PROBE: Final = (
    "import json, os, sys; print(json.dumps({"
    "'path': os.path.realpath(getattr(sys, '_base_executable', sys.executable)),"
    "'version': '.'.join(map(str, sys.version_info[:3])),"
    "'prefix': getattr(sys, 'base_prefix', sys.prefix)}))"
)
_FOLDERS: Final = (
    "/usr/local/bin",
    "/usr/bin",
    "/opt/python{version}/bin",
    "/opt/python/{version}/bin",
)


class Interpreter(msgspec.Struct, frozen=True):
    """A Python outside every virtual environment."""

    path: str
    version: str
    prefix: str


async def find(
    version: str, environment: Mapping[str, str], *, fetched: Path
) -> Interpreter | None:
    """Answer the first Python ``version`` ("3.7") that runs: on PATH, pyenv's, uv's, fetched."""
    seen: set[Path] = set()
    for candidate in _candidates(version, environment, fetched):
        real = candidate.resolve()
        if real not in seen and (found := await probe(candidate)) is not None:
            if _matches(found.version, version):
                return found
            seen.add(real)
    return None


async def fetch(
    version: str, *, uv: str, env: Mapping[str, str], into: Path
) -> tuple[Interpreter | None, str]:
    """Have uv install a Python below ``into``; answers it, or why there is none."""
    into.mkdir(parents=True, exist_ok=True)
    argv = [uv, "python", "install", "--no-bin", "--install-dir", str(into), version]
    outcome = await run(argv, env=env, cwd=into)
    found = await find(version, {}, fetched=into) if outcome.status == 0 else None
    return found, outcome.text


async def probe(path: Path) -> Interpreter | None:
    """Ask a Python what it is; None where it does not run (a shim without its version)."""
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        outcome = await run([str(path), "-I", "-S", "-c", _PROBE], env=env, cwd=Path("/"))
    except OSError:
        return None
    if outcome.status != 0 or not outcome.tail:
        return None
    try:
        return msgspec.json.decode(outcome.tail[-1], type=Interpreter)
    except msgspec.DecodeError:
        return None


def _matches(found: str, version: str) -> bool:
    return found == version or found.startswith(f"{version}.")


def _candidates(version: str, environment: Mapping[str, str], fetched: Path) -> Iterator[Path]:
    name = f"python{version}"
    home = Path(environment.get("HOME") or "/nonexistent")
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    managed = Path(environment.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    on_path = [Path(folder) for folder in environment.get("PATH", "").split(":") if folder]
    usual = [Path(folder.format(version=version)) for folder in _FOLDERS]
    for folder in (*on_path, *usual):
        if (folder / name).is_file():
            yield folder / name
    for root in dict.fromkeys((pyenv, home / ".pyenv")):
        yield from _below(root / "versions", rf"{re.escape(version)}(\.\d+)*", name)
    for root in (managed, fetched):
        yield from _below(root, rf"cpython-{re.escape(version)}[.-].*", name)


def _below(root: Path, pattern: str, name: str) -> Iterator[Path]:
    if root.is_dir():
        for folder in sorted(root.iterdir(), key=_newest_first):
            if re.fullmatch(pattern, folder.name) and (folder / "bin" / name).is_file():
                yield folder / "bin" / name


def _newest_first(folder: Path) -> list[int]:
    return [-int(number) for number in re.findall(r"\d+", folder.name)]
