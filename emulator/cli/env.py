"""``cmle env``: variables for a shell, and back again."""

import os
import sys
from pathlib import Path

import click

from emulator.cli.options import data_dir_option, endpoint, format_option
from emulator.cli.output import note, show


@click.command(name="env")
@click.option("--unset", is_flag=True, help="Restore what was there before.")
@format_option
@data_dir_option
def env(*, unset: bool, form: str, data_dir: Path) -> None:
    """Print variables that lead Google's clients to the emulator: eval "$(cmle env)"."""
    from emulator.environment import NOT_COVERED, export_script, unset_script, variables

    if unset:
        click.echo(unset_script(os.environ), nl=False)
        return
    card = endpoint(data_dir)
    found = variables(card.url, card.bundle_path, card.project, str(data_dir.resolve() / "gcloud"))
    if form == "json":
        show(found, form)
        return
    click.echo(export_script(found, os.environ), nl=False)
    if sys.stderr.isatty():
        for text in NOT_COVERED:
            note(f"Not covered: {text}. `cmle run -- COMMAND` covers it.")
