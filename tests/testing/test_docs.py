"""Every block of docs/testing.md runs, as a user would paste it."""

import re
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from emulator.testing import fake_service
from emulator.testing.sleeping import SDKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ARGUMENT = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def test_every_block_runs(tmp_path: Path) -> None:
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    found = subprocess.run(
        [*command, "--rootdir", ".", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    tests = sum(len(re.findall(r"^def test_", block, re.MULTILINE)) for block in BLOCKS)
    assert tests >= len(BLOCKS) >= 5
    assert f"{tests} passed" in found.stdout


def test_every_argument_is_there() -> None:
    assert set(ARGUMENT.findall(PAGE)) == set(signature(fake_service).parameters)


@pytest.mark.parametrize("name", SDKS)
def test_every_sdk_that_sleeps_is_named(name: str) -> None:
    assert f"`{name}" in PAGE
