"""The reference pages, made from the program itself: ``python -m emulator.reference docs``."""

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import click
import yaml

from emulator import pytest_plugin, shipped
from emulator.checks import reference as checks
from emulator.cli import COMMANDS, cmle
from emulator.cli.exits import codes
from emulator.exports import reference as exports

_EXAMPLES: Final = re.compile(r"\x08\n(.+?)(?=\n\n|\Z)", re.DOTALL)  # click keeps such lines
_MADE: Final = "Made from the program itself by `make docs`; do not edit.\n"
VARIABLES: Final = {
    "CMLE_DATA_DIR": "The data directory where `--data-dir` is not given. "
    "Default: `cmle/default` in `$XDG_DATA_HOME`, which is `~/.local/share` by default.",
    "CMLE_CACHE_DIR": "Where binaries and runtime environments are kept, for all emulators of a "
    "user. Default: `cmle` in `$XDG_CACHE_HOME`, which is `~/.cache` by default.",
    "CMLE_BASE_IMAGE": "The image that the images of runtimes are built from where "
    "`--base-image` is not given.",
    "NO_COLOR": "Not empty: no colours.",
    "SHELL": "What `cmle shell` opens.",
    "PIP_*, UV_*": "The package index that installations use, with its certificates and "
    "proxies, as pip and uv read them; pip's configuration files count, too.",
}


_OF_THE_EMULATOR: Final = (
    "The flags of `cmle serve`, "
    "which `emulator.Emulator(options=[…])` and pytest's `cmle_serve` take, too.\n"
)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words after ``cmle``."""
    context = click.Context(cmle)
    for name in COMMANDS:
        command = cmle.get_command(context, name)
        if command is not None:
            yield from _below(name, command)


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _below(f"{path} {name}", below)
    else:
        yield path, command


def cli() -> str:
    """The page of commands."""
    blocks = ["# Commands\n", _MADE]
    for path, command in commands():
        words = " ".join(command.collect_usage_pieces(click.Context(command)))
        blocks += [f"## cmle {path}\n", f"```text\ncmle {path} {words}\n```\n"]
        blocks.append(
            _EXAMPLES.sub(r"```text\n\1\n```", inspect.cleandoc(command.help or "")) + "\n"
        )
        blocks.append(_options(command))
        blocks.append(_table(("exit code", "meaning"), iter(codes(path).items())))
    return "\n".join(blocks)


def _options(command: click.Command) -> str:
    shown = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    return _table(("option", "meaning"), (_option(command, each) for each in shown))


def _option(command: click.Command, option: click.Option) -> tuple[str, str]:
    context = click.Context(command)
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    default = option.get_default(context, call=False)
    text = option.help or ""
    if option.show_default and isinstance(option.show_default, str):
        text += f" Default: {option.show_default}."
    elif option.show_default and default is not None and not callable(default):
        text += f" Default: {default}."
    names = ", ".join([*option.opts, *option.secondary_opts])
    return f"`{names}{value}`", text


def settings() -> str:
    """The page of settings: variables, flags of the emulator, options of pytest."""
    serve = dict(commands())["serve"]
    given = [f"`{name}`" for name in ("--data-dir", "$CMLE_DATA_DIR")]
    blocks = [
        "# Settings\n",
        _MADE,
        f"A flag wins over a variable: {', else '.join(given)}, else the default.\n",
        "## Environment variables\n",
        _table(("variable", "meaning"), ((f"`{name}`", text) for name, text in VARIABLES.items())),
        "## The emulator\n",
        _OF_THE_EMULATOR,
        _options(serve),
        "## pytest\n",
        _table(("option", "meaning"), iter(_told().options)),
    ]
    return "\n".join(blocks)


class _Recorder:
    """Takes what the plugin tells pytest about its options and markers."""

    def __init__(self) -> None:
        self.options: list[tuple[str, str]] = []
        self.markers: list[str] = []

    def getgroup(self, *_: str) -> Self:
        return self

    def addini(self, name: str, **words: Any) -> None:
        self.options.append((f"`{name}` in `pytest.ini`", _sentence(words["help"])))

    def addoption(self, name: str, **words: Any) -> None:
        self.options.append((f"`{name}`", _sentence(words["help"])))

    def addinivalue_line(self, name: str, line: str) -> None:
        if name == "markers":
            self.markers.append(line)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _told() -> _Recorder:
    recorder: Any = _Recorder()
    pytest_plugin.pytest_addoption(recorder)
    pytest_plugin.pytest_configure(recorder)
    told: _Recorder = recorder
    return told


def fixtures() -> str:
    """The page of pytest's fixtures and markers."""
    blocks = ["# Fixtures and markers of pytest\n", _MADE]
    blocks.append(
        "The plugin is there as soon as `cmle` is installed beside pytest; "
        "nothing starts before a test asks for a fixture.\n"
    )
    for node in ast.parse(inspect.getsource(pytest_plugin)).body:
        if isinstance(node, ast.FunctionDef) and (scope := _scope(node)):
            text = (ast.get_docstring(node) or "").replace("``", "`")
            blocks += [f"## {node.name}\n", f"*For each {scope}.* {text}\n"]
    if markers := _told().markers:
        rows = (
            (f"`{name}`", _sentence(text.strip()))
            for name, _, text in (it.partition(":") for it in markers)
        )
        blocks += ["## Markers\n", _table(("marker", "meaning"), rows)]
    return "\n".join(blocks)


def _scope(node: ast.FunctionDef) -> str:
    """For what pytest makes a fixture anew; empty for a function that is none."""
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(call) == "pytest.fixture":
            words = decorator.keywords if isinstance(decorator, ast.Call) else []
            chosen = [ast.literal_eval(each.value) for each in words if each.arg == "scope"]
            return "test" if chosen in ([], ["function"]) else str(chosen[0])
    return ""


def trainers() -> str:
    """The page of the trainers that ship."""
    blocks = ["# Trainers that ship\n", _MADE]
    blocks.append(
        "`cmle new NAME DIR` copies one to start from, `emulator.fixtures(NAME)` is its folder. "
        "`job.yaml` is a job for it, `expected.toml` what comes of that. Where there is a "
        "`tuning.yaml`, the job is one trial and that file the job of the service that tunes it: "
        "`cmle check` reads it; the emulator does no hyperparameter tuning yet.\n"
    )
    head = ("name", "what it does", "runtime", "tier", "ends", "tunes")
    blocks.append(_table(head, (_trainer(*each) for each in shipped.trainers().items())))
    return "\n".join(blocks)


def _trainer(name: str, folder: Path) -> tuple[str, ...]:
    expected = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    job = yaml.safe_load((folder / "job.yaml").read_text(encoding="utf-8"))["trainingInput"]
    versions = expected.get("runtimes") or [job.get("runtimeVersion", "its own image")]
    tag = ""
    if (tuning := folder / "tuning.yaml").is_file():
        spec = yaml.safe_load(tuning.read_text(encoding="utf-8"))["trainingInput"]
        tag = spec["hyperparameters"].get("hyperparameterMetricTag", "training/hptuning/metric")
    return (
        f"`{name}`",
        shipped.title(folder),
        ", ".join(versions),
        job["scaleTier"],
        expected["state"],
        tag and f"`{tag}`",
    )


PAGES: Final = {
    "checks.md": checks.text,
    "models.md": exports.text,
    "reference/cli.md": cli,
    "reference/fixtures.md": fixtures,
    "reference/settings.md": settings,
    "reference/trainers.md": trainers,
}


def write(folder: Path) -> None:
    """Write every page below a folder."""
    for name, text in PAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
