"""The options of ``cmle check --run``: what they mean, and what does not go together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cli.check_run import DEADLINE_S, read_instances, run_choices
from emulator.errors import OperatorError
from emulator.golden import Golden, write

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle

NONE: dict[str, Any] = {
    **dict.fromkeys(("instances", "golden", "run_deadline", "runner", "limits", "replica_scale")),
    "data": (),
    "data_from": (),
    "update_golden": False,
    "runs": True,
}


def test_nothing_is_run_unless_it_is_wanted() -> None:
    assert run_choices({**NONE, "runs": False}) is None
    chosen = run_choices(NONE)
    assert chosen is not None
    assert (chosen.deadline_s, chosen.options, chosen.data) == (DEADLINE_S, (), ())


def test_options_for_the_emulator_are_passed_on(tmp_path: Path) -> None:
    chosen = run_choices(
        {
            **NONE,
            "data": ((str(tmp_path), "gs://b/in"),),
            "data_from": (("make {}", "gs://b/made"),),
            "limits": "off",
            "replica_scale": 0.5,
        }
    )
    assert chosen is not None
    assert chosen.options == ("--limits=off", "--replica-scale=0.5")
    assert [(it.target, it.path, it.command) for it in chosen.data] == [
        ("gs://b/in", tmp_path, ""),
        ("gs://b/made", None, "make {}"),
    ]


def test_golden_file_gives_instances_and_is_written_only_if_wanted(tmp_path: Path) -> None:
    file = tmp_path / "golden.json"
    write(file, Golden([1], [2]))
    compared = run_choices({**NONE, "golden": file})
    assert compared is not None
    assert (compared.instances, compared.golden_file) == ((1,), None)
    assert compared.golden == Golden([1], [2])
    updated = run_choices({**NONE, "golden": file, "update_golden": True})
    assert updated is not None
    assert (updated.instances, updated.golden, updated.golden_file) == ((1,), None, file)
    fresh = tmp_path / "fresh.json"
    assert run_choices({**NONE, "golden": fresh, "update_golden": True})


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--data=here=gs://b/in"], "--data needs --run"),
        (["--run-deadline=5"], "--run-deadline needs --run"),
        (["--limits=off"], "--limits needs --run"),
        (["--run", "--update-golden"], "--update-golden needs --golden"),
        (["--run", "--data=no-such-file=gs://b/in"], "there is no file or folder no-such-file"),
        (["--run", "--data=here"], "expected LOCAL=gs://…"),
        (["--run", "--data-from==gs://b"], "expected 'COMMAND {}=gs://…'"),
    ],
)
def test_what_makes_no_sense_is_said(cmle: "Cmle", words: list[str], text: str) -> None:
    ended = cmle("check", "trainer", *words)
    assert ended.code == 2
    assert text in ended.err


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.json", '{"instances": [1, [2]]}', [1, [2]]),
        ("a.json", "[1, 2]", [1, 2]),
        ("a.jsonl", "[1, 2]\n3\n", [[1, 2], 3]),
    ],
)
def test_instances_are_read(tmp_path: Path, name: str, text: str, found: list[Any]) -> None:
    (tmp_path / name).write_text(text)
    assert read_instances(tmp_path / name) == found


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "{"), ("a.json", "{}"), ("a.json", "[]"), ("a.jsonl", "{")]
)
def test_other_files_are_no_instances(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(OperatorError):
        read_instances(tmp_path / name)
