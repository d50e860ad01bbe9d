"""``cmle runtimes``: the environments that trainers run in."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.options import (
    BASE_IMAGE_HELP,
    cache_dir_option,
    format_option,
    runtime_policy_option,
    wheelhouse_option,
)
from emulator.cli.output import console, show, show_rows

if TYPE_CHECKING:
    from rich.status import Status

    from emulator.images import Images
    from emulator.progress import Step
    from emulator.runtimes import Runtimes


@click.group(name="runtimes")
def runtimes() -> None:
    """List and build the environments that trainers run in."""


@runtimes.command(name="list")
@cache_dir_option
@format_option
def list_runtimes(*, cache_dir: Path, form: str) -> None:
    """List every runtime version of the service, and which can be made or are here."""
    from emulator.runtime_versions import shipped

    known = shipped().runtimes
    images = _images_here(cache_dir, {name: row.environments for name, row in known.items()})
    rows = [
        {
            "version": version,
            "tensorflow": row.tensorflow,
            "python": " ".join(row.python),
            "environments": " ".join(row.environments),
            "image": images.get(version, ""),
        }
        for version, row in known.items()
    ]
    columns = {
        "RUNTIME_VERSION": "version",
        "TENSORFLOW": "tensorflow",
        "PYTHON": "python",
        "RUNS_HERE_WITH": "environments",
        "IMAGE": "image",
    }
    show_rows(rows, columns, form)


@runtimes.command()
@click.argument("versions", nargs=-1, required=True, metavar="VERSION...")
@click.option("--image", is_flag=True, help="An image of a Docker Engine, for jobs in containers.")
@click.option("--base-image", default="", envvar="CMLE_BASE_IMAGE", help=BASE_IMAGE_HELP)
@click.option("--python-version", default="3.7", show_default=True)
@runtime_policy_option()
@wheelhouse_option
@cache_dir_option
@format_option
def build(*, versions: tuple[str, ...], form: str, **choices: Any) -> None:
    """Make environments of runtime versions now, rather than with the first job."""
    from rich.text import Text

    makers = _makers(choices)
    terminal = console(err=True)
    made = []
    for version in versions:
        with terminal.status(f"runtime {version}") as status:

            def say(step: "Step", status: "Status" = status) -> None:
                if terminal.is_terminal:
                    status.update(Text(f"{step.subject}: {step.text}"[: terminal.width - 4]))
                else:
                    click.echo(f"{step.subject}: {step.text}", err=True)

            made.append(asyncio.run(makers.ensure(version, choices["python_version"], say)))
    place = "image" if choices["image"] else "env_dir"
    shown = ("version", "tensorflow", "actual_python", place, "warning")
    rows = [
        {name: getattr(runtime, name) for name in shown if getattr(runtime, name)}
        for runtime in made
    ]
    if form == "json" and len(rows) > 1:
        show(rows, form)
    else:
        for row in rows:
            show(row, form)


def _makers(choices: dict[str, Any]) -> "Runtimes | Images":
    from emulator.images import Images
    from emulator.package_index import PackageIndex
    from emulator.runtimes import Runtimes

    environment = dict(os.environ)
    index = (
        PackageIndex.of_wheelhouse(choices["wheelhouse"])
        if choices["wheelhouse"]
        else PackageIndex.of_user(environment)
    )
    if choices["image"]:
        return Images(
            choices["cache_dir"],
            index=index,
            environment=environment,
            base_image=choices["base_image"],
        )
    return Runtimes(
        choices["cache_dir"],
        index=index,
        environment=environment,
        policy=choices["runtime_policy"],
    )


def _images_here(cache_dir: Path, pythons: dict[str, dict[str, str]]) -> dict[str, str]:
    """The image of each runtime version that has one; none where no engine answers."""
    from emulator.errors import OperatorError
    from emulator.images import Images
    from emulator.package_index import PackageIndex

    environment = dict(os.environ)
    images = Images(
        cache_dir,
        index=PackageIndex.of_user(environment),
        environment=environment,
        base_image=environment.get("CMLE_BASE_IMAGE", ""),
    )
    try:
        here = asyncio.run(images.names())
    except OperatorError:
        return {}
    wanted = {
        version: [images.name(version, python) for python in made]
        for version, made in pythons.items()
    }
    return {
        version: " ".join(found)
        for version, names in wanted.items()
        if (found := [name for name in names if name in here])
    }
