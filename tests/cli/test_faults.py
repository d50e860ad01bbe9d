"""``cmle faults`` at a running emulator."""

import json
from typing import TYPE_CHECKING

import pytest

from emulator.cli.faults import faults
from emulator.engine import Engine
from emulator.faults import KINDS

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle

LEAST = {
    "preempt": ("--replica=worker-0", "--at-step=50"),
    "storage-unavailable": ("--share=0.2", "--method=PUT", "--method=POST", "--status=429"),
    "slow-storage": ("--delay=0.5", "--bytes-per-second=1000"),
    "full-disk": ("--bytes=1000000",),
    "quota": ("--of=predictions", "--times=2"),
    "expired-tokens": ("--job=*",),
}


@pytest.fixture
def project(cmle_engine: Engine, cmle_project: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CMLE_DATA_DIR", str(cmle_engine.data_dir))
    return f"--project={cmle_project}"


def test_every_kind_is_added_listed_and_removed(cmle: "Cmle", project: str) -> None:
    ids = []
    for kind, options in LEAST.items():
        result = cmle("faults", "add", kind, *options, project, "--json")
        assert result.code == 0, result.err
        ids.append(json.loads(result.out)["id"])
        assert result.err == f"Added {ids[-1]}.\n"

    found = json.loads(cmle("faults", "list", project, "--json").out)
    assert [fault["id"] for fault in found] == ids
    assert [fault["kind"] for fault in found] == list(LEAST)
    assert found[1]["methods"] == ["PUT", "POST"]
    assert (found[1]["share"], found[1]["status"]) == (0.2, 429)
    assert (found[2]["delay_s"], found[2]["bytes_per_s"]) == (0.5, 1000)
    rows = cmle("faults", "list", project).out.splitlines()
    assert rows[0].split() == ["ID", "STRUCK", "TIMES", "FAULT"]
    assert "preempt replica=worker-0 at_step=50 grace_s=30.0" in rows[1]
    assert cmle("faults", "remove", ids[0], project).err == f"Removed {ids[0]}.\n"
    assert cmle("faults", "remove", ids[0], project).code == 1
    cleared = cmle("faults", "clear", project, "--json")
    assert json.loads(cleared.out) == {"removed": ids[1:]}
    assert cmle("faults", "list", project).err == "Listed 0 items.\n"


def test_every_kind_has_its_command() -> None:
    commands = faults.commands["add"].commands  # type: ignore[attr-defined]

    assert set(commands) == {kind.__struct_config__.tag for kind in KINDS} == set(LEAST)
    for kind in KINDS:
        command = commands[kind.__struct_config__.tag]
        given = {option.name for option in command.params} - {"form", "data_dir", "json"}
        assert given == set(kind.__struct_fields__), command.name


def test_the_service_says_what_is_wrong(cmle: "Cmle", project: str) -> None:
    result = cmle("faults", "add", "preempt", project)
    assert result.code == 1
    assert "Exactly one of at_step, at_text and after_s says when." in result.err
    assert cmle("faults", "add", "flood", project).code == 2


@pytest.mark.usefixtures("project")
def test_the_help_has_examples(cmle: "Cmle") -> None:
    for kind in LEAST:
        assert f"cmle faults add {kind}" in cmle("faults", "add", kind, "--help").out
