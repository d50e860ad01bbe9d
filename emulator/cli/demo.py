"""``cmle demo``: the main job from start to finish, with everything set up on the way."""

import os
from pathlib import Path
from typing import Any

import click

from emulator.cli.options import (
    cache_dir_option,
    format_option,
    runtime_policy_option,
    wheelhouse_option,
)
from emulator.cli.output import console, show


@click.command(name="demo")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".cmle/demo"),
    show_default=True,
    help="The folder of the emulator; the one that runs there is used, else one is started.",
)
@click.option("--url", default="", help="Of an emulator that runs elsewhere: http://HOST:PORT.")
@click.option(
    "--project", default="cmle-project", show_default=True, help="Of the emulator at --url."
)
@click.option(
    "--runtime-version", type=click.Choice(["1.15", "2.11"]), default="2.11", show_default=True
)
@runtime_policy_option(
    "nearest: a newer TensorFlow stands in where Python 3.7 is missing, and it is said.",
    default="nearest",
)
@click.option(
    "--train-steps", type=click.IntRange(1), default=400, show_default=True, help="How long."
)
@cache_dir_option
@wheelhouse_option
@click.option("--fake-gcs-server", type=click.Path(path_type=Path), help="The program to use.")
@format_option
def demo(*, form: str, **choices: Any) -> None:
    """Train on made-up taxi rides, export, deploy and predict; exit 0 only if all succeeded."""
    from emulator.demo import Choices, demonstrate

    terminal = console(err=form == "json")
    happened = demonstrate(Choices(environment=dict(os.environ), **choices), terminal)
    if form == "json":
        show(happened, form)
