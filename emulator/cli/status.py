"""``cmle status``: whether an emulator runs on a data directory, and what it does."""

from collections import Counter
from pathlib import Path

import click

from emulator.cli.options import connect, connected, endpoint, format_option
from emulator.cli.output import show


@click.command(name="status")
@format_option
@connected
def status(*, form: str, data_dir: Path, project: str) -> None:
    """Say whether an emulator runs here, and where."""
    card = endpoint(data_dir)
    with connect(data_dir, project) as client:
        states = Counter(job["state"] for job in client.jobs())
        models = client.models()
    document = {name: getattr(card, name) for name in card.__struct_fields__}
    document |= {"jobs": dict(states), "models": len(models), "data_dir": str(data_dir)}
    show(document, form)
