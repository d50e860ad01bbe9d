"""``cmle runtimes``: the environments that trainers run in."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.options import cache_dir_option, format_option
from emulator.cli.output import console, show, show_rows

if TYPE_CHECKING:
    from emulator.progress import Step


@click.group(name="runtimes")
def runtimes() -> None:
    """List and build the environments that trainers run in."""


@runtimes.command(name="list")
@format_option
def list_runtimes(*, form: str) -> None:
    """List every runtime version of the service, and which can be made here."""
    from emulator.runtime_versions import shipped

    rows = [
        {
            "version": version,
            "tensorflow": known.tensorflow,
            "python": " ".join(known.python),
            "environments": " ".join(known.environments),
        }
        for version, known in shipped().runtimes.items()
    ]
    columns = {
        "RUNTIME_VERSION": "version",
        "TENSORFLOW": "tensorflow",
        "PYTHON": "python",
        "RUNS_HERE_WITH": "environments",
    }
    show_rows(rows, columns, form)


@runtimes.command()
@click.argument("version")
@click.option("--python-version", default="3.7", show_default=True)
@click.option("--runtime-policy", type=click.Choice(["exact", "nearest"]), default="exact")
@click.option("--wheelhouse", type=click.Path(path_type=Path), help="A folder of wheels.")
@cache_dir_option
@format_option
def build(*, version: str, form: str, **choices: Any) -> None:
    """Make the environment of a runtime version now, rather than with the first job."""
    from rich.text import Text

    from emulator.package_index import PackageIndex
    from emulator.runtimes import Runtimes

    environment = dict(os.environ)
    index = (
        PackageIndex.of_wheelhouse(choices["wheelhouse"])
        if choices["wheelhouse"]
        else PackageIndex.of_user(environment)
    )
    made_here = Runtimes(
        choices["cache_dir"],
        index=index,
        environment=environment,
        policy=choices["runtime_policy"],
    )
    terminal = console(err=True)
    with terminal.status(f"runtime {version}") as status:

        def say(step: "Step") -> None:
            if terminal.is_terminal:
                status.update(Text(f"{step.subject}: {step.text}"[: terminal.width - 4]))
            else:
                click.echo(f"{step.subject}: {step.text}", err=True)

        runtime = asyncio.run(made_here.ensure(version, choices["python_version"], say))
    shown = ("version", "tensorflow", "actual_python", "env_dir", "warning")
    show({name: getattr(runtime, name) for name in shown if getattr(runtime, name)}, form)
