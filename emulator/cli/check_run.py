"""The options of ``cmle check --run``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emulator.errors import OperatorError

if TYPE_CHECKING:
    from emulator.checks.choices import RunChoices
    from emulator.cli.options import Decorator

DEADLINE_S: Final = 300.0
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_PASSED_ON: Final = ("runner", "limits", "replica_scale")  # to the emulator
_OF_RUNS: Final = ("data", "data_from", "instances", "golden", "run_deadline", *_PASSED_ON)


def _targets(_: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> Any:
    found = []
    for text in texts:
        origin, separator, target = text.rpartition("=gs://")
        if not separator or not origin or not target.strip("/"):
            raise click.BadParameter(f"expected {parameter.make_metavar(_)}, got {text!r}")
        found.append((origin, f"gs://{target}"))
    return tuple(found)


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--run`` and what goes with it, for ``run_choices``."""
    options: tuple[Decorator, ...] = (
        click.option(
            "--run",
            "runs",
            is_flag=True,
            help="Also train a few steps, deploy what is exported, and ask it for predictions.",
        ),
        click.option(
            "--data",
            multiple=True,
            metavar="LOCAL=gs://…",
            callback=_targets,
            help="With --run: a file or folder that lies there before; repeatable.",
        ),
        click.option(
            "--data-from",
            multiple=True,
            metavar="'COMMAND {}=gs://…'",
            callback=_targets,
            help="With --run: what a command writes into the folder {} lies there; repeatable.",
        ),
        click.option(
            "--instances",
            type=_FILE,
            help="With --run: what is asked, a JSON instance a line (.json: a list of them). "
            "Default: made up of the signature.",
        ),
        click.option(
            "--golden",
            type=click.Path(path_type=Path, dir_okay=False),
            help="With --run: instances and their predictions, which must come again.",
        ),
        click.option("--update-golden", is_flag=True, help="Write the golden file instead."),
        click.option(
            "--run-deadline",
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            help=f"What the training may take, once it is prepared.  [default: {DEADLINE_S:g}]",
        ),
        click.option(
            "--runner",
            type=click.Choice(["auto", "process", "docker"]),
            help="Where replicas run, as for `cmle serve`.",
        ),
        click.option(
            "--limits",
            type=click.Choice(["exact", "scaled", "off"]),
            help="CPUs and memory of replicas, as for `cmle serve`.",
        ),
        click.option(
            "--replica-scale",
            type=click.FloatRange(0, 1, min_open=True),
            metavar="FRACTION",
            help="Run this part of the workers and parameter servers.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def run_choices(flags: dict[str, Any]) -> "RunChoices | None":
    """What was chosen; None without ``--run``."""
    if flags["update_golden"] and not flags["golden"]:
        raise click.UsageError("--update-golden needs --golden FILE, the file to write.")
    if not flags["runs"]:
        for name in _OF_RUNS:
            if flags[name]:
                raise click.UsageError(f"--{name.replace('_', '-')} needs --run.")
        return None
    from emulator import golden
    from emulator.checks.choices import Data, RunChoices

    file, updates = flags["golden"], flags["update_golden"]
    kept = golden.read(file) if file and (not updates or file.exists()) else None
    instances = read_instances(flags["instances"]) if flags["instances"] else []
    passed = [(name.replace("_", "-"), flags[name]) for name in _PASSED_ON if flags[name]]
    return RunChoices(
        data=(
            *(Data(target, path=_local(path)) for path, target in flags["data"]),
            *(Data(target, command=command) for command, target in flags["data_from"]),
        ),
        instances=tuple(instances or (kept.instances if kept else [])),
        golden=None if updates else kept,
        golden_file=file if updates else None,
        deadline_s=flags["run_deadline"] or DEADLINE_S,
        options=tuple(f"--{name}={value}" for name, value in passed),
    )


def _local(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise click.UsageError(f"--data: there is no file or folder {text}.")
    return path


def read_instances(path: Path) -> list[Any]:
    """Instances, one a line; of a ``.json`` file a list, or a request that holds one."""
    if path.suffix != ".json":
        from emulator.cli.predict import read_request

        with path.open() as file:
            return list(read_request(file, None, None)["instances"])
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise OperatorError(f"The instances {path} cannot be read: {error}.") from error
    found = document.get("instances") if isinstance(document, dict) else document
    if not isinstance(found, list) or not found:
        raise OperatorError(f'{path} holds no instances: [...] or {{"instances": [...]}}.')
    return found
