"""README's blocks are true: commands and flags exist, imports work, paths are there."""

import ast
import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from emulator.cli import COMMANDS
from emulator.cli import cmle as group

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(README) if name == language]


def commands(program: str) -> Iterator[list[str]]:
    found = [line for text in blocks("sh") for line in text.splitlines()]
    inline = re.findall(rf"`({program} [^`]+)`", README)
    for line in [*found, *inline]:
        inner = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line)
        words = shlex.split(inner, comments=True)
        if words[:1] == [program]:
            yield words[1:]


def test_first_lines_are_a_sentence_and_two_commands() -> None:
    title, _, sentence, *rest = README.splitlines()
    assert title == "# cmle"
    assert sentence.endswith(".")
    first_block = "\n".join(rest).split("```sh\n")[1].split("```")[0]
    assert [line.split("#")[0].strip() for line in first_block.splitlines()] == [
        "make demo",
        "make test",
    ]


@pytest.mark.parametrize("words", list(commands("cmle")), ids=" ".join)
def test_commands_of_cmle_exist(words: list[str]) -> None:
    command: click.Command = group
    context = click.Context(command, info_name="cmle")
    rest = words
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"no command {rest[0]}"
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=rest[0] if rest else "", parent=context)
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    own = rest[: rest.index("--")] if "--" in rest else rest
    used = {word.split("=")[0] for word in own if word.startswith("-")}
    assert used <= known


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for words in commands("make")}
    assert named
    assert named <= targets


@pytest.mark.parametrize("text", blocks("sh"), ids=str)
def test_shell_blocks_parse(text: str) -> None:
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("text", blocks("python"), ids=str)
def test_python_blocks_import_what_is_there(text: str) -> None:
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        module = importlib.import_module(str(node.module))
        for alias in node.names:
            assert hasattr(module, alias.name)


def test_paths_are_there() -> None:
    paths = re.findall(r"`((?:emulator|trainer_fixtures|docker|tests)/[\w/]*)`", README)
    assert paths
    for path in [*paths, "LICENSE", "CHANGELOG.md", ".ci/run"]:
        assert (ROOT / path).exists(), path


def test_every_command_of_the_emulator_has_a_text() -> None:
    assert all(text.endswith(".") for text in COMMANDS.values())
