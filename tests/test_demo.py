"""The demonstration, as people run it: once fresh, once on the emulator that runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import Emulator

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(1200)]


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "emulator", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_everything_is_done_and_shown(tmp_path: Path) -> None:
    done = demo("--data-dir", str(tmp_path / "data"), "--runtime-version", "2.11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "state SUCCEEDED" in done.stdout
    assert re.search(r"loss .* → ", done.stdout)
    assert "serving_default" in done.stdout
    assert len(re.findall(r"│ prediction ", done.stdout)) == 3
    assert not (tmp_path / "data" / "endpoint.json").exists()


@pytest.mark.soak  # docker/compose.yaml's demonstration shows them, too
def test_estimators_are_shown_on_a_running_emulator(tmp_path: Path) -> None:
    with Emulator(tmp_path / "data") as emulator:
        done = demo("--data-dir", str(emulator.data_dir), "--runtime-version", "1.15")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"One runs here already (process {emulator.pid})." in done.stdout


def test_failed_training_is_no_success(tmp_path: Path) -> None:
    done = demo("--data-dir", str(tmp_path / "data"), "--fake-gcs-server", "/nonexistent")
    assert done.returncode == 1
    assert "ERROR: /nonexistent is no program" in done.stderr
    assert "What happened" not in done.stdout
