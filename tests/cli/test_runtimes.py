import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from emulator.cli import main
from emulator.cli.runtimes import runtimes


def rows(*arguments: str) -> dict[str, dict[str, str]]:
    done = CliRunner().invoke(runtimes, ["list", "--format", "json", *arguments])
    assert done.exit_code == 0, done.output
    return {row["version"]: row for row in json.loads(done.stdout)}


def test_list_works_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    listed = rows("--cache-dir", str(tmp_path))
    assert listed["1.15"]["environments"] == "3.7"
    assert listed["1.15"]["image"] == ""
    assert listed["2.1"]["environments"] == ""


def test_versions_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["runtimes", "build"])
    assert ended.value.code == 2
    assert "VERSION..." in capsys.readouterr().err


def test_an_engine_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(SystemExit) as ended:
        main(["runtimes", "build", "--image", "1.15", "--cache-dir", str(tmp_path)])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "No Docker Engine answers" in said or "There is no docker command" in said


@pytest.mark.docker
@pytest.mark.tensorflow
@pytest.mark.timeout(1800)
def test_a_real_image_is_built_once_and_listed() -> None:
    command = ["build", "--image", "1.15", "--format", "json"]
    assert CliRunner().invoke(runtimes, command).exit_code == 0
    built = CliRunner().invoke(runtimes, command)
    assert built.exit_code == 0, built.output
    runtime = json.loads(built.stdout)
    assert runtime["tensorflow"] == "1.15.5"
    assert "building it" not in built.stderr
    assert rows()["1.15"]["image"] == runtime["image"]
