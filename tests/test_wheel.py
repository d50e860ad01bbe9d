"""The installed wheel: nothing is missing, and it works without the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from emulator.isolation import probe

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.timeout(600)

EMBEDDED = """
import json
from emulator import Emulator, fixtures
from emulator.shipped import PACKAGE, folder
with Emulator(project="wheel") as emulator, emulator.client() as client:
    print(json.dumps({
        "package": str(PACKAGE),
        "url": emulator.url,
        "project": client.project,
        "jobs": client.jobs(),
        "taxifare": str(fixtures("taxifare")),
        "fixtures": sorted(path.name for path in folder("trainer_fixtures").iterdir()),
        "runtimes": sorted(path.name for path in (folder("docker") / "runtimes").glob("*.txt")),
    }))
"""
RUN = """
from emulator.assertions import assert_job_succeeded
from emulator import fixtures


def test_prints(cmle_submit):
    outcome = cmle_submit(fixtures("prints"), ["--greeting", "two words"])
    assert_job_succeeded(outcome)
    assert any("two words" in line for line in outcome.logs)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on is borrowed from this one.

    A line of a .pth file adds a folder without reading the .pth files in it, so the
    checkout's own editable installation stays out.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def python(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "UV_"))}
    names = ("PATH", "HOME", "CMLE_CACHE_DIR", "XDG_CACHE_HOME")
    kept |= {name: os.environ[name] for name in names if name in os.environ}
    done = subprocess.run(
        [str(installed / "bin" / "python"), *arguments],
        cwd=installed,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_wheel_has_everything_and_no_rubbish(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    tracked = subprocess.run(
        ["git", "ls-files", "emulator"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert set(tracked) <= names
    for folder in ("docker", "trainer_fixtures/taxifare"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"emulator/data/{path.relative_to(ROOT)}" in names


def test_command_is_there(installed: Path) -> None:
    code = "from emulator.cli import main; main(['--help'])"
    assert "Cloud ML Engine" in python(installed, "-c", code).stdout


def test_trainers_are_copied_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = f"from emulator.cli import main; main(['new', 'taxifare', {str(tmp_path / 'mine')!r}])"
    assert "What to type next" in python(installed, "-c", code).stderr
    assert (tmp_path / "mine" / "trainer" / "model.py").is_file()


def test_embedded_emulator_runs_from_the_wheel(installed: Path) -> None:
    answer = json.loads(python(installed, "-c", EMBEDDED).stdout.splitlines()[-1])
    assert answer["package"].startswith(str(installed))
    assert (answer["project"], answer["jobs"]) == ("wheel", [])
    assert (Path(answer["taxifare"]) / "trainer" / "task.py").is_file()
    assert answer["taxifare"].startswith(str(installed))
    assert {"taxifare", "prints"} <= set(answer["fixtures"])
    assert {"1.15.txt", "2.11.txt"} <= set(answer["runtimes"])


@pytest.mark.tensorflow
@pytest.mark.skipif(probe().isolation == "none", reason="no namespaces on this machine")
def test_job_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    test = tmp_path / "test_prints.py"
    test.write_text(RUN)
    done = python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test))
    assert "1 passed" in done.stdout
