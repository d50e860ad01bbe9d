"""The command as a whole: help, wrong lines, errors, start-up."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.cli import COMMANDS
from emulator.datadir import DataDir

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle


def test_help_names_every_command_and_exit_code(cmle: "Cmle") -> None:
    result = cmle("--help")
    assert result.code == 0
    unfolded = " ".join(result.out.split())
    for name, text in COMMANDS.items():
        assert f"{name} {text}" in unfolded
    assert "130  interrupted" in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_asked_for_help(cmle: "Cmle", name: str) -> None:
    assert cmle(name, "--help").code == 0


def test_wrong_lines_end_with_two(cmle: "Cmle") -> None:
    assert cmle("nonsense").code == 2
    assert cmle("jobs", "describe").code == 2
    assert "Missing argument 'JOB'" in cmle("jobs", "describe").err


def test_no_emulator_is_one_sentence(cmle: "Cmle", tmp_path: Path) -> None:
    result = cmle("jobs", "list", "--data-dir", tmp_path / "none")
    assert result.code == 1
    assert result.err.startswith("ERROR: No emulator runs on ")
    assert "cmle serve" in result.err
    assert "Traceback" not in result.err


def test_a_folder_that_cannot_be_used_is_one_sentence(
    cmle: "Cmle", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PATH", "")  # no fake-gcs-server to be found
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GOBIN", raising=False)
    folders = ["--data-dir", tmp_path / "d", "--cache-dir", tmp_path / "file" / "cache"]
    result = cmle("serve", "--port", "0", *folders)
    assert result.code == 1
    assert f"{tmp_path}/file/cache" in result.err
    assert "Not a directory" in result.err
    assert "Traceback" not in result.err
    assert DataDir(tmp_path / "d").owner() is None


@pytest.mark.usefixtures("data_dir")
def test_refusal_prints_its_details(cmle: "Cmle") -> None:
    result = cmle("jobs", "describe", "absent")
    assert (result.code, result.err) == (1, "ERROR: NOT_FOUND: absent was not found.\n")


def test_help_imports_nothing_heavy() -> None:
    heavy = {"httpx", "rich", "msgspec", "starlette", "uvicorn", "cryptography", "yaml", "asyncio"}
    code = (
        "import sys\nfrom emulator.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print('heavy:', sorted({heavy!r} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: ['msgspec']"  # errors.py has values of it


def test_module_runs_the_command() -> None:
    command = [sys.executable, "-m", "emulator", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cmle 0.")
