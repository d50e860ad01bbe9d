"""The images that are made from this machine's Python and Debian's packages, without a registry."""

import os
import subprocess
from pathlib import Path

import pytest

BASE = Path(__file__).resolve().parents[2] / "docker" / "base"
MODULES = "bz2 ctypes curses decimal hashlib lzma pip readline sqlite3 ssl uuid zlib"
IMPORT = f"import os, sys, {MODULES.replace(' ', ', ')}; print(os.getuid(), sys.prefix)"
MEGABYTE = 1_000_000
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def make(name: str, version: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run one of the scripts; what it leaves would lie in ``folder``."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    argv = [str(BASE / name), version]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("script", "image", "most"), [("probe.sh", "cmle/probe", 70), ("base.sh", "cmle/base", 160)]
)
def test_image_has_a_whole_python(script: str, image: str, most: int, tmp_path: Path) -> None:
    made = make(script, "3.7", tmp_path)
    assert made.returncode == 0, made.stderr
    name = f"{image}:3.7"
    nobody = ["run", "--rm", "--network=none", "--user=65534:65534", "--read-only", name]
    for program in ("python", "python3", "python3.7"):
        assert docker(*nobody, program, "-c", IMPORT) == "65534 /usr/local"
    assert docker(*nobody, "python", "-m", "pip", "--version").startswith("pip ")
    assert int(docker("image", "inspect", "--format", "{{.Size}}", name)) < most * MEGABYTE

    before = docker("image", "inspect", "--format", "{{.Id}}", name)
    again = make(script, "3.7", tmp_path)
    assert "up to date" in again.stderr
    assert docker("image", "inspect", "--format", "{{.Id}}", name) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", ["probe.sh", "base.sh"])
def test_a_python_that_is_not_here_is_said(script: str, tmp_path: Path) -> None:
    made = make(script, "9.98", tmp_path)
    assert made.returncode == 1
    assert "this machine has no Python 9.98" in made.stderr
    assert "PYTHON=/path/to/python9.98" in made.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    made = make("probe.sh", "3.7", tmp_path)
    assert made.returncode == 1
    assert "no Docker Engine answers" in made.stderr
