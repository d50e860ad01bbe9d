"""``cmle predict``: what is read and how answers are printed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle, Result
    from tests.conftest import Keeper


@pytest.fixture
def ask(cmle: "Cmle", data_dir: Path, tmp_path: Path) -> "Cmle":
    def run(flag: str, content: str, *more: str) -> "Result":
        path = tmp_path / "input"
        path.write_text(content)
        where = ("--data-dir", data_dir)
        return cmle("predict", *where, "--model=m", "--version=v", flag, path, *more)

    return run


def test_objects_are_a_table(ask: "Cmle", keeper: "Keeper") -> None:
    keeper.predictions = (
        200,
        {"predictions": [{"fare": 8.5, "key": "a"}, {"fare": 12, "key": "b"}]},
    )
    result = ask("--json-instances", '{"x": 1}\n{"x": 2}\n')
    assert result.out == "FARE  KEY\n8.5   a\n12    b\n"
    assert keeper.requests[0][2] == {"instances": [{"x": 1}, {"x": 2}]}


def test_values_are_a_list(ask: "Cmle", keeper: "Keeper") -> None:
    keeper.predictions = (200, {"predictions": [1, 2]})
    assert ask("--text-instances", "a\nb\n").out == "[1, 2]\n"
    assert keeper.requests[0][2] == {"instances": ["a", "b"]}


def test_whole_request_is_passed_on(ask: "Cmle", keeper: "Keeper") -> None:
    ask("--json-request", '{"instances": [1], "extra": true}', "--signature-name=s")
    assert keeper.requests[0][2] == {"instances": [1], "extra": True, "signature_name": "s"}


def test_error_with_200_ends_with_one(ask: "Cmle", keeper: "Keeper") -> None:
    keeper.predictions = (200, {"error": "Prediction failed"})
    result = ask("--json-instances", "1")
    assert (result.code, json.loads(result.out)) == (1, {"error": "Prediction failed"})


@pytest.mark.parametrize(
    ("flag", "content", "text"),
    [
        ("--json-instances", "{", "Input instances are not in JSON format"),
        ("--json-instances", "", "No valid instance was found in input file."),
        ("--json-instances", "1\n\n2", "Empty line is not allowed in the instances file."),
        ("--json-instances", "1\n" * 101, "At most 100 instances"),
        ("--json-request", "{}", 'Invalid JSON request: missing "instances" attribute'),
        ("--json-request", '{"instances": 1}', 'Invalid JSON request: "instances" must be a list'),
    ],
    ids=["no-json", "empty", "empty-line", "too-many", "no-instances", "no-list"],
)
def test_bad_input_is_refused_here(
    ask: "Cmle", keeper: "Keeper", flag: str, content: str, text: str
) -> None:
    result = ask(flag, content)
    assert result.code == 1
    assert text in result.err
    assert keeper.requests == []


@pytest.mark.usefixtures("data_dir")
def test_one_input_is_needed(cmle: "Cmle") -> None:
    assert cmle("predict", "--model=m").code == 2
