"""Every command: its exit codes in its help, --json, and NO_COLOR."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from emulator.cli import COMMANDS
from emulator.cli import cmle as group
from emulator.cli.exits import COMMON, OWN, codes

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle

PLAIN = {"run", "shell", "storage cat"}  # what they run, or the object itself, is their output
COLOUR = re.compile(r"\x1b\[[0-9;]*[349][0-7][;m]")


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from walk(below, f"{path} {name}")
    else:
        yield path, command


def every() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        yield from walk(command, name)


LEAVES = dict(every())


@pytest.mark.parametrize("path", LEAVES)
def test_help_ends_with_the_exit_codes(cmle: "Cmle", path: str) -> None:
    shown = cmle(*path.split(), "--help").out.split("Exit codes:\n")[1]
    table = dict(re.findall(r"^\s+(\d+|other)  +(.+)$", shown, re.MULTILINE))
    assert table == codes(path)
    assert table.keys() >= COMMON.keys()


def test_codes_are_of_commands_that_exist() -> None:
    assert set(OWN) <= set(LEAVES)


@pytest.mark.parametrize("path", LEAVES)
def test_a_wrong_line_ends_with_two(cmle: "Cmle", path: str) -> None:
    if path == "run":  # every word after it is the command's own
        assert cmle("run").code == 2
    else:
        assert cmle(*path.split(), "--nonsense").code == 2


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - PLAIN))
def test_answers_can_be_json(path: str) -> None:
    options = {name for parameter in LEAVES[path].params for name in parameter.opts}
    assert {"--json", "--format"} <= options


def test_json_is_the_format(cmle: "Cmle", data_dir: Path) -> None:
    assert data_dir.is_dir()
    short, long = cmle("status", "--json"), cmle("status", "--format", "json")
    assert short == long
    assert json.loads(short.out)["project"] == "p"
    assert cmle("status", "--format", "text", "--json").out == short.out


@pytest.mark.usefixtures("data_dir")
def test_what_was_done_can_be_json(cmle: "Cmle", tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert json.loads(cmle("storage", "mb", "gs://b", "--json").out) == {"bucket": "b"}
    assert json.loads(cmle("seed", "gs://b/d", tmp_path, "--json").out) == ["gs://b/d/a.txt"]
    copied = cmle("storage", "cp", "gs://b/d/a.txt", tmp_path / "b.txt", "--json")
    assert json.loads(copied.out) == {"copied": 1}
    removed = cmle("storage", "rm", "-r", "gs://b/d", "--json")
    assert json.loads(removed.out) == {"removed": ["d/a.txt"]}
    assert cmle("storage", "rm", "-r", "gs://b/d").out == ""


def on_terminal(arguments: list[str], *, no_color: str) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
    command = [sys.executable, "-m", "emulator", *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            shown += piece
            if not piece:
                break
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode(errors="replace")


@pytest.mark.parametrize("arguments", [["doctor"], ["jobs", "list"]], ids=" ".join)
def test_no_color_means_no_colours(arguments: list[str], tmp_path: Path) -> None:
    line = [*arguments, "--data-dir", str(tmp_path / "none")]
    assert COLOUR.search(on_terminal(line, no_color=""))
    plain = on_terminal(line, no_color="1")
    assert plain.strip()
    assert not COLOUR.search(plain)
