"""``cmle run``: one command in namespaces where Google's hosts are the emulator."""

import os
from pathlib import Path

import click

from emulator.cli.options import data_dir_option

PLAIN = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command(name="run", context_settings=PLAIN)
@data_dir_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(*, data_dir: Path, command: tuple[str, ...]) -> None:
    """Run COMMAND with Google's hosts in place and nothing else to be reached.

    Its exit code is answered. Write `--` before a command that has options.
    """
    from emulator import hermetic

    raise click.exceptions.Exit(hermetic.run(command, data_dir, dict(os.environ)))
