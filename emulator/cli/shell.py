"""``cmle shell``: the user's shell in namespaces where Google's hosts are the emulator."""

import os
from pathlib import Path

import click

from emulator.cli.options import data_dir_option
from emulator.cli.output import note


@click.command(name="shell")
@data_dir_option
def shell(*, data_dir: Path) -> None:
    """Open $SHELL with Google's hosts in place; `exit` leaves it."""
    from emulator import hermetic

    program = os.environ.get("SHELL") or "/bin/sh"
    note(f"Google's hosts lead to the emulator on {data_dir} here; `exit` leaves.")
    raise click.exceptions.Exit(hermetic.run([program], data_dir, dict(os.environ)))
