"""A run from the outside: a good package, one that fails at run time alone, several replicas."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from emulator.checks.choices import Choices, Data, RunChoices
from emulator.checks.evidence import Evidence, Option, Parser, Probe, Request, RuntimeFacts
from emulator.checks.running import absent, job_of, made
from emulator.errors import OperatorError
from emulator.resources import HyperparameterSpec, ParameterSpec, TrainingInput
from emulator.shipped import folder

FIXTURES = folder("trainer_fixtures")
ROWS: Final = [
    {
        "key": key,
        "pickup_longitude": -73.98,
        "pickup_latitude": 40.75,
        "dropoff_longitude": -73.87,
        "dropoff_latitude": 40.77,
        "passenger_count": 2.0,
    }
    for key in ("a", "b")
]


def cmle(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``cmle check --run`` in a folder; what is temporary must be gone afterwards."""
    temporary = place.with_name("tmp")
    temporary.mkdir(exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-m", "emulator", "check", *words, "--run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(FIXTURES.parent), "TMPDIR": str(temporary)},
    )
    assert list(temporary.iterdir()) == []
    return ended


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "job"


def rehearsed(place: Path, fixture: str) -> None:
    """A copy of a fixture, with its job in a bucket that there may be."""
    shutil.copytree(FIXTURES / fixture, place)
    job = place / "job.yaml"
    job.write_text(job.read_text().replace("{bucket}", "rides"))


@pytest.mark.tensorflow
@pytest.mark.timeout(600)
def test_good_package_is_trained_deployed_and_asked(place: Path) -> None:
    """Its predictions are really compared: those that are expected are wrong on purpose."""
    rehearsed(place, "taxifare/tf2")
    generator = f"{sys.executable} {FIXTURES / 'taxifare' / 'generate.py'} --train-rows=300"
    (place / "golden.json").write_text(
        json.dumps({"instances": ROWS, "predictions": [{"predictions": -1.0}] * 2})
    )
    given = ("--data-from", f"{generator} {{}}=gs://rides/data", "--golden", "golden.json")
    ended = cmle(place, "trainer", "--config=job.yaml", "--json", *given)
    assert ended.returncode == 1, ended.stderr
    document = json.loads(ended.stdout)
    assert [it["rule"] for it in document["findings"]] == ["golden-differs"]
    assert "expected -1.0" in document["findings"][0]["message"]
    assert any("--train-steps=10 instead of 400" in it for it in document["not_checked"])
    assert not any("made up" in text for text in document["not_checked"])
    assert "deploying gs://rides/taxifare_tf2/export/exporter/" in ended.stderr


@pytest.mark.tensorflow
@pytest.mark.timeout(600)
def test_package_that_fails_when_it_runs_is_found_out(place: Path) -> None:
    shutil.copytree(FIXTURES / "checks" / "run-fails" / "bad", place)
    ended = cmle(place, "trainer", "--config=config.yaml")
    assert ended.returncode == 1, ended.stderr
    text = "trainer/model.py:2: error[run-fails] The job fails: ZeroDivisionError: division by zero"
    assert text in ended.stdout
    assert "run: the job is FAILED" in ended.stderr


@pytest.mark.tensorflow
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_replicas_of_the_tier_are_run(place: Path) -> None:
    rehearsed(place, "cluster_prints")
    ended = cmle(place, "trainer", "--config=job.yaml", "--json", "--replica-scale=0.25")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert "nothing-exported" in {it["rule"] for it in document["findings"]}
    assert any("--replica-scale 0.25" in text for text in document["not_checked"])


@pytest.mark.tensorflow
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_golden_predictions_are_written_and_come_again(place: Path) -> None:
    case = FIXTURES / "checks" / "not-served" / "near-tensorflow"
    shutil.copytree(case, place)
    (place / "rows.jsonl").write_text('{"km": 2.0}\n{"km": 4.0}\n')
    words = ("trainer", "--config=config.yaml", "--instances=rows.jsonl", "--golden=g.json")
    assert cmle(place, *words, "--update-golden").returncode == 0
    written = json.loads((place / "g.json").read_text())
    assert written["predictions"] == [{"fare": 7.5}, {"fare": 12.5}]
    assert cmle(place, *words).returncode == 0


@pytest.mark.tensorflow
@pytest.mark.docker
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_run_in_containers_trains_deploys_and_asks(place: Path) -> None:
    shutil.copytree(FIXTURES / "checks" / "not-served" / "near-tensorflow", place)
    (place / "rows.jsonl").write_text('{"km": 2.0}\n{"km": 4.0}\n')
    words = ("trainer", "--config=config.yaml", "--instances=rows.jsonl", "--golden=g.json")
    ended = cmle(place, *words, "--update-golden", "--runner=docker")
    assert ended.returncode == 0, ended.stderr
    written = json.loads((place / "g.json").read_text())
    assert written["predictions"] == [{"fare": 7.5}, {"fare": 12.5}]


@pytest.mark.tensorflow
def test_errors_that_are_seen_without_a_run_prevent_it(place: Path) -> None:
    bad = FIXTURES / "checks" / "argument-not-taken" / "bad"
    shutil.copytree(bad, place)
    ended = cmle(place, "trainer", "--config=config.yaml")
    assert ended.returncode == 1, ended.stderr
    assert "The run: it is not begun" in ended.stdout
    assert "starting an emulator" not in ended.stderr


# The job that is run


def job(*typed: str, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The job of a package whose parser knows --train-steps; ``typed`` are ``-- ARGS``."""
    training = TrainingInput(python_module="trainer.task", **fields)
    parser = Parser(kind="argparse", options=(Option(("--train-steps",)),))
    evidence = Evidence(
        root="",
        package="trainer",
        request=Request(training=training),
        runtime=RuntimeFacts("2.11", (3, 7), "2.11.0"),
        probe=Probe("ok", parser=parser),
    )
    choices = Choices(
        subject=Path(),
        cache_dir=Path(),
        environment={},
        training={"args": list(typed)} if typed else {},
        run=RunChoices(),
    )
    document, notes = job_of(evidence, choices)
    return document["trainingInput"], notes


def test_job_is_shortened_and_says_so() -> None:
    training, (note,) = job(args=("--train-steps=400",), job_dir="gs://rides/out")
    assert training["args"] == ["--train-steps=400", "--train-steps=10"]
    assert training["pythonModule"] == "trainer.task"
    assert "--train-steps=10 instead of 400" in note
    typed, none = job("--train-steps=400", args=("--train-steps=400",))
    assert (typed["args"], none) == (["--train-steps=400"], ())


def test_one_trial_is_run_of_a_job_that_tunes() -> None:
    spec = HyperparameterSpec(
        params=(ParameterSpec(parameter_name="depth", type="INTEGER", min_value=2.0),)
    )
    training, notes = job("--train-steps=3", args=("--train-steps=3",), hyperparameters=spec)
    assert training["args"] == ["--train-steps=3", "--depth", "2"]
    assert "hyperparameters" not in training
    assert "one trial was run, with --depth 2" in notes[0]


@pytest.mark.parametrize(
    ("args", "objects", "found"),
    [
        (["--in=gs://rides/in/*.csv"], ["gs://rides/in/a.csv"], []),
        (["--in=gs://rides/in/*.csv"], ["gs://rides/x"], ["gs://rides/in/*.csv"]),
        (["--in", "gs://a/x,gs://b/y"], ["gs://b/y"], ["gs://a/x"]),
        (["--in=gs://rides/in/"], ["gs://rides/in/a"], []),
        (["--to=gs://rides/out/logs", "--to=gs://rides/out/"], [], []),
        (["--size=3"], [], []),
    ],
)
def test_data_that_are_not_there_are_known(
    args: list[str], objects: list[str], found: list[str]
) -> None:
    assert list(absent(args, "gs://rides/out", objects)) == found


def test_data_are_made_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = "import sys; open(sys.argv[1] + '/rows.csv', 'w').write('1')"
    made(Data("gs://b", command=f'{sys.executable} -c "{write}" {{}}').command, tmp_path)
    assert (tmp_path / "rows.csv").read_text() == "1"
    with pytest.raises(OperatorError, match=r"ended with status 3. It said:\nno rows"):
        made(f"{sys.executable} -c \"import sys; print('no rows'); sys.exit(3)\"", tmp_path)
    with pytest.raises(OperatorError, match="could not be started"):
        made("/no/such/program {}", tmp_path)
    monkeypatch.setattr("emulator.checks.running.DATA_S", 0.2)
    with pytest.raises(OperatorError, match=r"was ended after 0\.2 s"):
        made("sleep 60", tmp_path)
