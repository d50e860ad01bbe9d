"""``cmle faults``: what goes wrong in a running emulator, set and taken back by hand."""

from pathlib import Path
from typing import Any, Final

import click

from emulator.cli.options import Decorator, connect, connected, format_option
from emulator.cli.output import done, show_rows

COLUMNS: Final = {"ID": "id", "STRUCK": "struck", "TIMES": "times", "FAULT": "fault"}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
STATUSES: Final = ("408", "429", "500", "502", "503", "504")
_SHOWN_ELSEWHERE: Final = frozenset({"id", "struck", "times", "kind", "project"})


def _together(*options: Decorator) -> Decorator:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


times = click.option("--times", type=int, help="How often at most; else until it is removed.")
job = click.option("--job", metavar="PATTERN", default="*", help="Of jobs whose id is like this.")
of_requests = _together(
    click.option("--bucket", metavar="PATTERN", default="*", help="Of buckets named like this."),
    click.option("--object", metavar="PATTERN", default="*", help="Of objects named like this."),
    click.option(
        "--method", "methods", type=click.Choice(METHODS), multiple=True, help="Only these."
    ),
    click.option(
        "--job", metavar="PATTERN", default="", help="Only what the replicas of such jobs ask."
    ),
    click.option(
        "--share",
        type=float,
        default=1.0,
        show_default=True,
        help="Of these requests, chosen at random.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of that chance."),
    times,
)


@click.group(name="faults")
def faults() -> None:
    """Inject faults: preemptions, storage that fails, full disks, quotas, expired tokens.

    They last until they are removed, have struck --times, or the emulator ends.
    """


@faults.command(name="list")
@format_option
@connected
def list_(*, form: str, data_dir: Path, project: str) -> None:
    """List the faults that are set, and how often each has struck."""
    with connect(data_dir, project) as client:
        found = client.faults.list()
    rows = [{**fault, "fault": _told(fault)} for fault in found]
    show_rows(found if form == "json" else rows, COLUMNS, form)


@faults.command()
@click.argument("fault_id", metavar="ID")
@format_option
@connected
def remove(*, fault_id: str, form: str, data_dir: Path, project: str) -> None:
    """Remove one fault."""
    with connect(data_dir, project) as client:
        client.faults.remove(fault_id)
    done(f"Removed {fault_id}.", {"removed": [fault_id]}, form)


@faults.command()
@format_option
@connected
def clear(*, form: str, data_dir: Path, project: str) -> None:
    """Remove all faults of the project."""
    with connect(data_dir, project) as client:
        removed = client.faults.clear()
    done(f"Removed {len(removed)} fault(s).", {"removed": removed}, form)


@faults.group()
def add() -> None:
    """Set a fault, one command a kind."""


def _kind(name: str, *options: Decorator) -> Decorator:
    """A command of ``add``; its parameters are the fields of the kind."""

    def decorate(function: Any) -> Any:
        @add.command(name=name, help=function.__doc__)
        @_together(*options)
        @format_option
        @connected
        def command(*, form: str, data_dir: Path, project: str, **fields: Any) -> None:
            given = {key: value for key, value in fields.items() if value is not None}
            with connect(data_dir, project) as client:
                fault_id = client.faults.add(name, **given)
            done(f"Added {fault_id}.", {"id": fault_id}, form)

        return command

    return decorate


@_kind(
    "preempt",
    job,
    click.option("--replica", default="master-0", show_default=True, help="Such as worker-0."),
    click.option("--at-step", type=int, help="At the first line that tells this training step."),
    click.option("--at-text", metavar="REGEX", help="At the first line that this is found in."),
    click.option("--after", "after_s", type=float, help="So many seconds after it began."),
    click.option(
        "--grace",
        "grace_s",
        type=float,
        default=30.0,
        show_default=True,
        help="Seconds from SIGTERM to SIGKILL.",
    ),
    click.option("--times", type=int, default=1, show_default=True, help="How often at most."),
)
def preempt() -> None:
    """Take the machine of a replica away; the service starts the replica again.

    \b
    cmle faults add preempt --replica=worker-0 --at-step=50
    cmle faults add preempt --job=first --after=0
    """


@_kind(
    "storage-unavailable",
    click.option(
        "--status",
        type=click.Choice(STATUSES),
        default="503",
        show_default=True,
        callback=lambda _context, _option, value: int(value),
        help="What is answered.",
    ),
    of_requests,
)
def storage_unavailable() -> None:
    """Let Cloud Storage refuse requests; those of cmle itself are spared.

    \b
    cmle faults add storage-unavailable --share=0.2 --bucket=my-bucket
    cmle faults add storage-unavailable --status=429 --method=PUT --times=3
    """


@_kind(
    "slow-storage",
    click.option("--delay", "delay_s", type=float, help="Seconds before it begins."),
    click.option("--bytes-per-second", "bytes_per_s", type=int, help="Of content, either way."),
    of_requests,
)
def slow_storage() -> None:
    """Let Cloud Storage be slow; requests of cmle itself are spared.

    \b
    cmle faults add slow-storage --delay=0.5
    cmle faults add slow-storage --bytes-per-second=100000 --object='data/*'
    """


@_kind(
    "full-disk",
    click.option("--bytes", "free_bytes", type=int, required=True, help="What it has room for."),
    job,
    click.option("--replica", metavar="PATTERN", default="*", help="Of replicas like this."),
    times,
)
def full_disk() -> None:
    """Let the disks of replicas that start be full after so many bytes.

    \b
    cmle faults add full-disk --bytes=10000000 --replica='worker-*'
    """


@_kind(
    "quota",
    click.option(
        "--of",
        type=click.Choice(["jobs", "predictions"]),
        default="jobs",
        show_default=True,
        help="What there is too much of.",
    ),
    times,
)
def quota() -> None:
    """Refuse new jobs, or online predictions, for the project's quota.

    \b
    cmle faults add quota --times=1
    cmle faults add quota --of=predictions
    """


@_kind(
    "expired-tokens",
    click.option(
        "--job", metavar="PATTERN", default="", help="Only those of the replicas of such jobs."
    ),
    times,
)
def expired_tokens() -> None:
    """Refuse the access tokens that were given out so far; new ones are good.

    \b
    cmle faults add expired-tokens
    """


def _told(fault: dict[str, Any]) -> str:
    """Its kind, and its fields but for the usual ones."""
    fields = [
        f"{name}={value}"
        for name, value in fault.items()
        if name not in _SHOWN_ELSEWHERE and value not in ("*", "", None, [])
    ]
    return " ".join([str(fault["kind"]), *fields])
