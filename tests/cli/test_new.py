"""``cmle new``: a copy to start from, and nothing of anybody's is overwritten."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from emulator.cli import COMMANDS, cmle
from emulator.shipped import trainers


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new(*words: str) -> Result:
    return CliRunner().invoke(cmle, ["new", *words])


def test_trainers_are_listed_with_a_line_each() -> None:
    lines = new().stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(trainers())
    assert all(len(line.split()) > 2 for line in lines[1:]), "a trainer has no title"
    assert "Estimates the fare of a taxi ride" in new().stdout


def test_copy_is_whole_and_its_job_is_ready() -> None:
    assert new("taxifare", "mine").exit_code == 0
    mine = Path("mine")
    assert {path.name for path in mine.iterdir()} >= {"setup.py", "generate.py", "job.yaml"}
    assert (mine / "trainer" / "model.py").is_file()
    assert not list(mine.rglob("__pycache__"))
    training = yaml.safe_load((mine / "job.yaml").read_text())["trainingInput"]
    assert training["args"][0] == "--train-data-paths=gs://my-bucket/data/train-*.csv"


def test_next_commands_are_commands() -> None:
    shown = new("taxifare", "mine").stderr
    commands = [line.split()[1] for line in shown.splitlines() if line.startswith("  cmle ")]
    assert commands == ["check", "serve", "storage", "seed", "jobs"]
    assert set(commands) <= set(COMMANDS)
    assert "python3 mine/generate.py mine/data" in shown
    assert "--module-name=trainer.task" in shown
    assert "generate" not in new("prints").stderr


@pytest.mark.parametrize("name", trainers())
def test_every_trainer_can_be_begun_with(name: str) -> None:
    found = new(name, "mine")
    assert found.exit_code == 0
    assert "cmle jobs submit training first" in found.stderr
    for config in Path("mine").glob("*.yaml"):
        assert "{bucket}" not in config.read_text()


def test_image_is_built_where_the_job_brings_one() -> None:
    shown = new("torch_container", "mine").stderr
    assert "docker build --tag gcr.io/my-project/torch:1 mine" in shown
    assert "cmle serve --runner=docker" in shown
    assert "--package-path" not in shown


def test_job_that_tunes_is_checked_whole() -> None:
    assert "cmle check mine --config=mine/tuning.yaml" in new("tuned_keras", "mine").stderr


def test_folder_is_named_as_the_trainer_unless_said() -> None:
    assert new("taxifare/tf1").exit_code == 0
    assert "estimator" in Path("taxifare/trainer/model.py").read_text()


@pytest.mark.parametrize("there", ["file", "folder/file"])
def test_nothing_is_overwritten(there: str) -> None:
    Path(there).parent.mkdir(exist_ok=True)
    Path(there).write_text("mine")
    found = new("prints", there.partition("/")[0])
    assert found.exit_code != 0
    assert "is there already" in str(found.exception)
    assert Path(there).read_text() == "mine"


def test_empty_folder_is_filled() -> None:
    Path("empty").mkdir()
    assert new("prints", "empty").exit_code == 0
    assert Path("empty/trainer/task.py").is_file()
