import asyncio
import sys
from pathlib import Path

from emulator.interpreters import Interpreter, fetch, find, probe

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
REAL = Path(sys.executable).resolve()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def answering(version: str) -> str:
    """A stand-in that answers the probe as a Python of this version would."""
    return f"""echo '{{"path": "/p/{version}", "version": "{version}", "prefix": "/p"}}'"""


def found(version: str, environment: dict[str, str], fetched: Path) -> Interpreter | None:
    return asyncio.run(find(version, environment, fetched=fetched))


def test_own_python_is_found_on_path(tmp_path: Path) -> None:
    (tmp_path / f"python{HERE}").symlink_to(REAL)
    interpreter = found(HERE, {"PATH": str(tmp_path)}, tmp_path / "none")
    assert interpreter is not None
    assert Path(interpreter.path).resolve() == REAL
    assert interpreter.prefix == sys.base_prefix


def test_virtual_environment_answers_its_base() -> None:
    interpreter = asyncio.run(probe(Path(sys.executable)))
    assert interpreter is not None
    assert interpreter.prefix == sys.base_prefix


def test_failing_shim_is_passed_over(tmp_path: Path) -> None:
    script(tmp_path / "shims" / "python9.7", "echo no such version >&2; exit 127")
    script(tmp_path / ".pyenv" / "versions" / "9.7.2" / "bin" / "python9.7", answering("9.7.2"))
    environment = {"PATH": str(tmp_path / "shims"), "HOME": str(tmp_path)}
    interpreter = found("9.7", environment, tmp_path / "none")
    assert interpreter is not None
    assert interpreter.version == "9.7.2"


def test_newest_of_pyenv_is_preferred(tmp_path: Path) -> None:
    for version in ("9.7.2", "9.7.16", "9.71.1", "9.6.99"):
        script(tmp_path / "versions" / version / "bin" / "python9.7", answering(version))
    interpreter = found("9.7", {"PYENV_ROOT": str(tmp_path)}, tmp_path / "none")
    assert interpreter is not None
    assert interpreter.version == "9.7.16"


def test_other_version_behind_the_name_is_refused(tmp_path: Path) -> None:
    script(tmp_path / "python9.7", answering("9.70.1"))
    assert found("9.7", {"PATH": str(tmp_path)}, tmp_path / "none") is None


def test_nonsense_is_no_interpreter(tmp_path: Path) -> None:
    script(tmp_path / "python9.7", "echo hello")
    (tmp_path / "python9.8").write_text("not a program")
    assert asyncio.run(probe(tmp_path / "python9.7")) is None
    assert asyncio.run(probe(tmp_path / "python9.8")) is None


def test_fetched_python_is_found_again(tmp_path: Path) -> None:
    copy = f'bin="$5/cpython-9.7.3-x/bin"; mkdir -p "$bin"; cp {tmp_path}/answer "$bin/python9.7"'
    uv = script(tmp_path / "uv", copy)
    script(tmp_path / "answer", answering("9.7.3"))
    env = {"PATH": "/usr/bin:/bin"}
    into = tmp_path / "pythons"
    interpreter, _ = asyncio.run(fetch("9.7", uv=str(uv), env=env, into=into))
    assert interpreter is not None
    assert interpreter == found("9.7", {}, into)


def test_refused_fetch_says_why(tmp_path: Path) -> None:
    uv = script(tmp_path / "uv", "echo no download for it >&2; exit 2")
    answer = asyncio.run(fetch("9.7", uv=str(uv), env={}, into=tmp_path / "pythons"))
    assert answer == (None, "no download for it")
