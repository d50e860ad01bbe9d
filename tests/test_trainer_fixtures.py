"""Every trainer fixture is whole: its code parses, its job is a Job, its outcome can be checked."""

import ast
import csv
import math
import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml

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
}


@pytest.mark.parametrize("trainer", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_fixture_is_whole(trainer: Path) -> None:
    job = yaml.safe_load((trainer / "job.yaml").read_text())
    assert job["trainingInput"]["pythonModule"].startswith("trainer.")
    assert isinstance(job["trainingInput"]["runtimeVersion"], str)
    expected = tomllib.loads((trainer / "expected.toml").read_text())
    assert set(expected) <= KNOWN
    assert JobState(expected["state"]).is_terminal
    for pattern in [*expected["log"], expected.get("error_message", "")]:
        re.compile(pattern)
    for path in [trainer / "setup.py", *trainer.glob("trainer/*.py")]:
        ast.parse(path.read_text())
    assert (trainer / "trainer" / "__init__.py").is_file()


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
