"""``cmle clock``: the time of a project, and how to let it pass."""

import re
from pathlib import Path
from typing import Any, Final

import click

from emulator.cli.options import connect, connected, format_option
from emulator.cli.output import show

UNITS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([dhms])")


class Duration(click.ParamType[float]):
    """``7d``, ``1h30m``, ``90s`` as seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        parts = _PART.findall(value)
        if not parts or "".join(map("".join, parts)) != value:
            self.fail(f"{value!r} is no duration: write 7d, 2h, 1h30m or 90s.", param, ctx)
        return sum(float(number) * UNITS[unit] for number, unit in parts)


@click.group(name="clock")
def clock() -> None:
    """Show and advance the time of a project.

    Jobs are created, queued, cancelled and logged by their project's time. It runs as this
    machine's does; what is skipped is kept in the data directory. Trainers have the time of
    the machine.
    """


@clock.command(name="show")
@format_option
@connected
def show_clock(*, form: str, data_dir: Path, project: str) -> None:
    """Say what time it is in the project, and how far that is ahead of this machine."""
    with connect(data_dir, project) as client:
        show(client.clock.document(), form)


@clock.command()
@click.argument("duration", type=Duration())
@format_option
@connected
def advance(*, duration: float, form: str, data_dir: Path, project: str) -> None:
    """Skip DURATION (7d, 2h, 1h30m, 90s): what falls due in it begins now.

    A running job whose maxRunningTime is over is cancelled, as is one that still waits after
    its maxWaitTime; one whose time in the queue is over starts.
    """
    with connect(data_dir, project) as client:
        client.clock.advance(duration)
        show(client.clock.document(), form)


@clock.command()
@click.argument("duration", type=Duration())
@format_option
@connected
def queue(*, duration: float, form: str, data_dir: Path, project: str) -> None:
    """Let new jobs of the project be QUEUED for DURATION, instead of `serve --queue-delay`."""
    with connect(data_dir, project) as client:
        client.clock.queue_jobs(duration)
        show(client.clock.document(), form)
