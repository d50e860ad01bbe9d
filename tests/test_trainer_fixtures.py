"""Every trainer fixture is whole: its code parses, its job is a Job, its outcome can be checked."""

import ast
import csv
import math
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator import faults
from emulator.shipped import folder
from emulator.states import JobState

ROOT = folder("trainer_fixtures")
FOLDERS = sorted(path.parent for path in ROOT.rglob("job.yaml"))
KNOWN = {
    "state",
    "error_message",
    "log",
    "no_log",
    "severity",
    "saved_model",
    "signature",
    "outputs",
    "objects",
    "trainer",
    "runner",
    "runtimes",
    "options",
    "image",
    "tasks",
    "faults",
    "exported",
    "metric",
}
TIERS = {"BASIC", "STANDARD_1", "PREMIUM_1", "CUSTOM", "BASIC_GPU", "BASIC_TPU"}


def read(trainer: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    job = yaml.safe_load((trainer / "job.yaml").read_text())
    return job["trainingInput"], tomllib.loads((trainer / "expected.toml").read_text())


@pytest.mark.parametrize("trainer", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_fixture_is_whole(trainer: Path) -> None:
    training, expected = read(trainer)
    assert set(expected) <= KNOWN
    assert JobState(expected["state"]).is_terminal
    tasks = expected.get("tasks", {})
    assert all(re.fullmatch(r"(master|worker|ps|evaluator)-replica-\d+", task) for task in tasks)
    of_tasks = [pattern for patterns in tasks.values() for pattern in patterns]
    for pattern in [*expected["log"], *of_tasks, expected.get("error_message", "")]:
        re.compile(pattern)
    code = trainer / expected.get("trainer", ".")
    sources = [path for name in ("setup.py", "trainer/*.py") for path in code.glob(name)]
    assert code / "trainer" / "__init__.py" in sources
    for path in sources:
        ast.parse(path.read_text())
    for fault in expected.get("faults", []):
        faults.parse({"project": "p", **fault})
    _check_way(training, expected, code)


def _check_way(training: dict[str, Any], expected: dict[str, Any], code: Path) -> None:
    """A package for a managed runtime, or an image of its own."""
    if "image" in expected:
        assert training["masterConfig"]["imageUri"] == expected["image"]["name"]
        assert expected["runner"] == "docker"
        assert (code / "Dockerfile").is_file()
        return
    assert training["pythonModule"].startswith("trainer.")
    assert isinstance(training["runtimeVersion"], str)
    assert training["runtimeVersion"] in expected.get("runtimes", [training["runtimeVersion"]])
    assert (code / "setup.py").is_file()


@pytest.mark.parametrize("tier", sorted(TIERS))
def test_every_tier_has_a_fixture(tier: str) -> None:
    assert tier in {read(trainer)[0]["scaleTier"] for trainer in FOLDERS}


def test_rides_are_plausible_and_repeatable(tmp_path: Path) -> None:
    generate = runpy.run_path(str(ROOT / "taxifare" / "generate.py"))["generate"]
    first = generate(str(tmp_path / "a"), 200, 20)
    second = generate(str(tmp_path / "b"), 200, 20)
    assert [Path(path).read_text() for path in first] == [Path(path).read_text() for path in second]
    rows = [row for path in first for row in csv.reader(Path(path).read_text().splitlines())]
    assert len(rows) == 220
    fares = [float(row[0]) for row in rows]
    ways = [math.dist(map(float, row[1:3]), map(float, row[3:5])) for row in rows]
    short = [fare for fare, way in zip(fares, ways, strict=True) if way < 0.02]
    long = [fare for fare, way in zip(fares, ways, strict=True) if way > 0.1]
    assert min(fares) >= 2.5
    assert sum(short) / len(short) < sum(long) / len(long) / 2
