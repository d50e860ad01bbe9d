"""Every block of docs/testing.md runs, as a user would paste it."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from inspect import signature
from pathlib import Path

import pytest

from emulator import pytest_plugin
from emulator.testing import fake_service
from emulator.testing.sleeping import SDKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text()
TRAINERS, ORCHESTRATION = PAGE.split("\n## Tests of orchestration code\n")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ARGUMENT = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def run_blocks(blocks: Sequence[str], folder: Path) -> None:
    for number, block in enumerate(blocks):
        (folder / f"test_block_{number}.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    command += ["--basetemp", str(folder / "base"), "--rootdir", ".", "."]
    environment = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
    found = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    tests = sum(len(re.findall(r"^def test_", block, re.MULTILINE)) for block in blocks)
    assert tests >= len(blocks)
    assert f"{tests} passed" in found.stdout


def test_every_block_on_orchestration_runs(tmp_path: Path) -> None:
    blocks = BLOCK.findall(ORCHESTRATION)
    assert len(blocks) >= 5
    run_blocks(blocks, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
def test_every_block_on_trainers_runs(tmp_path: Path) -> None:
    blocks = BLOCK.findall(TRAINERS)
    assert len(blocks) >= 4
    run_blocks(blocks, tmp_path)


def test_every_fixture_is_described() -> None:
    described = set(
        re.findall(r"^\| `(cmle_\w+)` \| (?:a test|the run) \|", TRAINERS, re.MULTILINE)
    )
    there = {name for name in vars(pytest_plugin) if name.startswith("cmle_")}
    assert described == there


def test_every_marker_and_option_is_described() -> None:
    for name in pytest_plugin.MARKERS:
        assert f"`@pytest.mark.{name}(" in TRAINERS
    for option in ("--cmle-runner", "--cmle-keep", "--update-golden", "cmle_serve"):
        assert f"| `{option}" in TRAINERS


def test_every_argument_is_there() -> None:
    assert set(ARGUMENT.findall(ORCHESTRATION)) == set(signature(fake_service).parameters)


@pytest.mark.parametrize("name", SDKS)
def test_every_sdk_that_sleeps_is_named(name: str) -> None:
    assert f"`{name}" in PAGE
