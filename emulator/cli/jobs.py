"""``cmle jobs``: submit, describe, list, cancel and follow, with gcloud's flags and texts."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emulator.cli.options import connect, connected, format_option, load_config, pairs
from emulator.cli.output import note, show, show_rows
from emulator.states import JobState

if TYPE_CHECKING:
    from emulator.client import Client, Entry

SUBMITTED: Final = """Job [{0}] submitted successfully.
Your job is still active. You may view the status of your job with the command

  $ cmle jobs describe {0}

or continue streaming the logs with the command

  $ cmle jobs stream-logs {0}"""
SUMMARY: Final = ("jobId", "state", "startTime", "endTime", "errorMessage")
TIERS: Final = ("basic", "standard-1", "premium-1", "basic-gpu", "basic-tpu", "custom")
MACHINES: Final = {  # flag's beginning → field's beginning
    "master": "master",
    "worker": "worker",
    "parameter_server": "parameterServer",
    "evaluator": "evaluator",
}


@click.group(name="jobs")
def jobs() -> None:
    """Submit, list, describe, cancel and follow jobs."""


@jobs.group()
def submit() -> None:
    """Submit a job."""


def _tier(_: click.Context, __: click.Parameter, value: str | None) -> str:
    name = (value or "").upper().replace("-", "_")
    if name and name.lower().replace("_", "-") not in TIERS:
        raise click.BadParameter(f"choose from {', '.join(TIERS)}")
    return name


@submit.command()
@click.argument("job")
@click.argument("user_args", nargs=-1, type=click.UNPROCESSED)
@click.option("--config", type=click.Path(path_type=Path), help="YAML or JSON Job; flags win.")
@click.option("--package-path", type=click.Path(path_type=Path), help="Folder with __init__.py.")
@click.option("--packages", default="", help="Archives, local or gs://, separated by commas.")
@click.option("--module-name", help="What is run: python -m MODULE.")
@click.option("--job-dir", help="gs:// folder for the job; passed on as --job-dir.")
@click.option("--staging-bucket", default="", help="Where packages are stored.")
@click.option("--region", help="Default: us-central1.")
@click.option("--runtime-version", help="For example 2.11.")
@click.option("--python-version", help="For example 3.7.")
@click.option("--scale-tier", callback=_tier, help=f"One of {', '.join(TIERS)}.")
@click.option("--master-machine-type")
@click.option("--master-image-uri")
@click.option("--worker-machine-type")
@click.option("--worker-count")
@click.option("--parameter-server-machine-type")
@click.option("--parameter-server-count")
@click.option("--evaluator-machine-type")
@click.option("--evaluator-count")
@click.option("--service-account")
@click.option("--labels", default="", metavar="KEY=VALUE,…")
@click.option("--stream-logs", is_flag=True, help="Follow the log; exit 1 unless SUCCEEDED.")
@click.option("--async", "is_async", is_flag=True, hidden=True, help="The default.")
@format_option
@connected
def training(job: str, user_args: tuple[str, ...], **flags: Any) -> None:
    """Submit a training job named JOB; its own arguments stand after a bare `--`."""
    from emulator.submission import Code
    from emulator.submission import submit as submit_job

    body = job_body(job, user_args, flags)
    code = Code(
        flags["package_path"],
        tuple(filter(None, flags["packages"].split(","))),
        flags["staging_bucket"],
        environment=dict(os.environ),
    )
    with connect(flags["data_dir"], flags["project"]) as client:
        created = submit_job(client, body, code)
        note(SUBMITTED.format(job))
        if flags["stream_logs"]:
            for entry in client.follow(job):
                note(line(entry))
            created = client.job(job)
        show({key: created[key] for key in SUMMARY if key in created}, flags["form"])
    if flags["stream_logs"] and created["state"] != JobState.SUCCEEDED:
        raise click.exceptions.Exit(1)


def job_body(job_id: str, user_args: tuple[str, ...], flags: dict[str, Any]) -> dict[str, Any]:
    """The Job of the request: the file of --config, then every given flag over it."""
    config = load_config(flags["config"])
    given = {
        "args": list(user_args),
        "jobDir": flags["job_dir"],
        "pythonModule": flags["module_name"],
        "pythonVersion": flags["python_version"],
        "region": flags["region"],
        "runtimeVersion": flags["runtime_version"],
        "scaleTier": flags["scale_tier"],
        "serviceAccount": flags["service_account"],
    }
    for flag, field in MACHINES.items():
        given[f"{field}Type"] = flags[f"{flag}_machine_type"]
        given[f"{field}Count"] = flags.get(f"{flag}_count")
    training_input = {
        "region": "us-central1",
        **(config.get("trainingInput") or {}),
        **{key: value for key, value in given.items() if value},
    }
    if image := flags["master_image_uri"]:
        master = training_input.get("masterConfig") or {}
        training_input["masterConfig"] = {**master, "imageUri": image}
    body = {**config, "jobId": job_id, "trainingInput": training_input}
    if labels := pairs(flags["labels"]):
        body["labels"] = {**(config.get("labels") or {}), **labels}
    return body


@jobs.command()
@click.argument("job")
@format_option
@connected
def describe(*, job: str, form: str, data_dir: Path, project: str) -> None:
    """Print everything about one job."""
    with connect(data_dir, project) as client:
        show(client.job(job), form)


@jobs.command(name="list")
@click.option("--filter", "filter_text", default="", help="As the API takes it: state:FAILED …")
@format_option
@connected
def list_jobs(*, filter_text: str, form: str, data_dir: Path, project: str) -> None:
    """List jobs, the newest first."""
    with connect(data_dir, project) as client:
        columns = {"JOB_ID": "jobId", "STATUS": "state", "CREATED": "createTime"}
        show_rows(client.jobs(filter_text), columns, form)


@jobs.command()
@click.argument("job")
@format_option
@connected
def cancel(*, job: str, form: str, data_dir: Path, project: str) -> None:
    """Stop a job; nothing happens if it has ended."""
    with connect(data_dir, project) as client:
        client.cancel_job(job)
        if form == "json":
            show(client.job(job), form)


@jobs.command(name="stream-logs")
@click.argument("job")
@click.option("--task-name", default="", help="Only this replica, such as master-replica-0.")
@click.option("--polling-interval", default=1.0, show_default=True, help="Seconds between looks.")
@format_option
@connected
def stream_logs(*, job: str, form: str, data_dir: Path, project: str, **flags: Any) -> None:
    """Print a job's log as it grows, until the job ends."""
    with connect(data_dir, project) as client:
        _print_log(client, job, form, flags)


def _print_log(client: "Client", job: str, form: str, flags: dict[str, Any]) -> None:
    entries = client.follow(
        job, task=flags["task_name"], poll_s=max(0.05, flags["polling_interval"])
    )
    for entry in entries:
        if form == "json":
            text = {name: getattr(entry, name) for name in entry.__struct_fields__}
            click.echo(json.dumps(text, ensure_ascii=False))
        else:
            click.echo(line(entry))


def line(entry: "Entry") -> str:
    """Severity, local time, replica, trial (none outside tuning), text; gcloud's columns."""
    from datetime import datetime

    moment = datetime.fromisoformat(entry.timestamp).astimezone()
    when = moment.strftime("%Y-%m-%d %H:%M:%S %z")
    head = f"{entry.severity}\t{when}\t{entry.task or 'unknown_task'}\t\t"
    return "\n".join(head + text for text in entry.text.split("\n"))
