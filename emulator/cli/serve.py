"""``cmle serve``: the emulator in the foreground, ended by SIGINT or SIGTERM."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.options import (
    BASE_IMAGE_HELP,
    cache_dir_option,
    data_dir_option,
    format_option,
    isolation_option,
    runtime_policy_option,
    wheelhouse_option,
)
from emulator.cli.output import show

if TYPE_CHECKING:
    from emulator.datadir import Endpoint

READY = """cmle is ready at {url} (project {project}, isolation {isolation})
  data      {data_dir}
  clients   eval "$(cmle env --data-dir {data_dir})"
            cmle run --data-dir {data_dir} -- gcloud …
  end       Ctrl-C"""


@click.command(name="serve")
@data_dir_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8787,
    show_default=True,
    help="0: any free one.",
)
@click.option("--project", default="cmle-project", show_default=True, help="The project's id.")
@click.option(
    "--runner",
    type=click.Choice(["auto", "process", "docker"]),
    default="process",
    show_default=True,
    help="Where replicas run; auto: in containers where a Docker Engine answers.",
)
@click.option(
    "--gpus",
    type=click.IntRange(0),
    envvar="CMLE_GPUS",
    help="How many GPUs containers may use, if they are not to be counted.",
)
@isolation_option("require: namespaces or nothing.")
@runtime_policy_option()
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST:PORT",
    help="A host outside that jobs may reach; repeatable.",
)
@click.option(
    "--fake-gcs-server",
    type=click.Path(path_type=Path),
    help="The program, if it is not to be found or obtained.",
)
@click.option("--base-image", default="", envvar="CMLE_BASE_IMAGE", help=BASE_IMAGE_HELP)
@click.option(
    "--fake-gcs-url",
    default="",
    metavar="URL",
    help="A fake-gcs-server for this emulator alone that runs already: http://HOST:PORT.",
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A Unix socket for clients, beside the port; its folder decides who may use it.",
)
@cache_dir_option
@wheelhouse_option
@click.option(
    "--grace",
    "grace_s",
    type=float,
    default=30.0,
    show_default=True,
    help="Seconds that a job outlives a killed emulator.",
)
@click.option(
    "--limits",
    type=click.Choice(["exact", "scaled", "off"]),
    default="scaled",
    show_default=True,
    help="CPUs and memory of replicas: their machine type's (exact; larger jobs are refused), "
    "fitted to this machine (scaled), or whatever there is (off).",
)
@click.option(
    "--replica-scale",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FRACTION",
    help="Run this part of a job's workers and parameter servers, rounded up: 0.1 of PREMIUM_1 "
    "are 2 workers and 2 parameter servers.",
)
@click.option(
    "--gpu",
    type=click.Choice(["auto", "stub", "require"]),
    default="auto",
    show_default=True,
    help="GPUs of jobs: real ones where there are, else CPUs that pass for them (auto), always "
    "those (stub), or real ones alone; other jobs are refused (require).",
)
@click.option(
    "--end-grace",
    "end_grace_s",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long workers and evaluators may go on after their job's master has ended well.",
)
@click.option(
    "--queue-delay",
    "queue_delay_s",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a job is QUEUED at least; `cmle clock advance` skips it.",
)
@click.option(
    "--catalog",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Tables that add to the scale tiers, machine types, accelerators and regions.",
)
@format_option
@click.option(
    "--keep-jobs",
    is_flag=True,
    help="Stopping leaves running jobs alone; the next start goes on with them.",
)
@click.option("--while-stdin-open", is_flag=True, hidden=True)
def serve(*, while_stdin_open: bool, form: str, **settings: Any) -> None:
    """Run the emulator in the foreground; SIGINT or SIGTERM ends it.

    Once it answers, it prints its address and how to reach it.
    """
    from emulator.server import Settings
    from emulator.server import serve as run

    if while_stdin_open:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    chosen = Settings(**settings)
    raise click.exceptions.Exit(run(chosen, _say, lambda card: _ready(card, chosen.data_dir, form)))


def _say(text: str) -> None:
    click.echo(text, err=True)


def _ready(card: "Endpoint", data_dir: Path, form: str) -> None:
    if form == "json":
        show({name: getattr(card, name) for name in card.__struct_fields__}, form)
        sys.stdout.flush()
        return
    text = READY.format(
        url=card.url, project=card.project, isolation=card.isolation, data_dir=data_dir
    )
    click.echo(text)
    sys.stdout.flush()


def _end_with_stdin() -> None:
    """Whoever holds the other end of standard input is gone: end as for SIGTERM."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
