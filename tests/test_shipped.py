"""Trainers that ship are found by name, and each says what it does."""

import subprocess
import sys
from pathlib import Path

import pytest

import emulator
from emulator.errors import OperatorError
from emulator.shipped import fixtures, folder, title, trainers


def test_trainer_is_a_folder_with_a_package_and_a_job() -> None:
    found = emulator.fixtures("taxifare")
    assert found == folder("trainer_fixtures") / "taxifare" / "tf2"
    assert (found / "trainer" / "__init__.py").is_file()
    assert fixtures("taxifare/tf1").name == "tf1"


def test_unknown_trainer_is_refused_with_those_there_are() -> None:
    with pytest.raises(OperatorError, match=r"no trainer 'taxi' .* prints, .*taxifare, "):
        fixtures("taxi")


@pytest.mark.parametrize("name", trainers())
def test_trainer_says_what_it_does(name: str) -> None:
    assert title(fixtures(name)).strip()
    assert not name.startswith("checks")


def test_description_goes_before_the_code(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "task.py").write_text('"""Of the code.\n\nMore."""\n')
    assert title(tmp_path) == "Of the code."
    (tmp_path / "setup.py").write_text("setup(name='x', description='Of the setup.')")
    assert title(tmp_path) == "Of the setup."


def test_asking_for_a_trainer_is_light() -> None:
    code = "import sys, emulator; emulator.fixtures('prints'); print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
