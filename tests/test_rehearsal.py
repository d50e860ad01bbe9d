"""A trainer is found, packaged, submitted and awaited."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.rehearsal import package_of, rehearse
from emulator.shipped import folder
from emulator.states import JobState

if TYPE_CHECKING:
    from tests.conftest import Keeper


def test_trainer_is_submitted_and_awaited(client: Client, keeper: "Keeper") -> None:
    keeper.buckets["bkt"] = {}
    outcome = rehearse(
        client,
        folder("trainer_fixtures") / "prints",
        ["--flag"],
        bucket="bkt",
        job_id="j",
        scale_tier="STANDARD_1",
    )
    assert outcome.state is JobState.SUCCEEDED
    training = outcome.job["trainingInput"]
    assert training["pythonModule"] == "trainer.task"
    assert training["args"] == ["--flag"]
    assert training["scaleTier"] == "STANDARD_1"
    assert training["jobDir"] == "gs://bkt/j"


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").touch()


def test_package_is_found_in_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "tests", "trainer")
    assert package_of(tmp_path) == tmp_path / "trainer"
    assert package_of(tmp_path / "tests") == tmp_path / "tests"


def test_several_packages_are_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    with pytest.raises(OperatorError, match="packages found in it: a, b"):
        package_of(tmp_path)
