"""``cmle versions``: SavedModels, deployed under a model's name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.options import Decorator, connect, connected, format_option, load_config, pairs
from emulator.cli.output import done, note, show, show_rows
from emulator.errors import OperatorError
from emulator.names import last_component

if TYPE_CHECKING:
    from emulator.client import Client

of_model: Decorator = click.option("--model", required=True, help="The model it belongs to.")


@click.group(name="versions")
def versions() -> None:
    """Create, list, describe and delete versions of a model."""


@versions.command()
@click.argument("version")
@of_model
@click.option("--origin", default="", help="Folder of the model: gs://… or local.")
@click.option("--staging-bucket", default="", help="Where a local --origin is stored.")
@click.option("--runtime-version")
@click.option("--python-version")
@click.option("--framework", help="tensorflow, scikit-learn or xgboost.")
@click.option("--machine-type")
@click.option("--description")
@click.option("--labels", default="", metavar="KEY=VALUE,…")
@click.option("--config", type=click.Path(path_type=Path), help="YAML or JSON Version; flags win.")
@click.option("--async", "is_async", is_flag=True, help="Print the Operation and do not wait.")
@format_option
@connected
def create(version: str, **flags: Any) -> None:
    """Deploy a version and wait until it answers."""
    with connect(flags["data_dir"], flags["project"]) as client:
        body = version_body(version, flags)
        origin = body.get("deploymentUri") or ""
        if origin and not origin.startswith("gs://"):
            body["deploymentUri"] = _upload(client, Path(origin), flags["staging_bucket"])
        operation = client.create_version(flags["model"], body)
        if flags["is_async"]:
            show(operation, flags["form"])
            return
        note("Creating version (this might take a few minutes)...")
        client.wait_operation(operation)
        created = client.version(flags["model"], version) if flags["form"] == "json" else None
        done(f"Created version [{version}] of model [{flags['model']}].", created, flags["form"])


def version_body(version_id: str, flags: dict[str, Any]) -> dict[str, Any]:
    """The Version of the request: the file of --config, then every given flag over it."""
    given = {
        "deploymentUri": flags["origin"],
        "runtimeVersion": flags["runtime_version"],
        "pythonVersion": flags["python_version"],
        "framework": (flags["framework"] or "").upper().replace("-", "_"),
        "machineType": flags["machine_type"],
        "description": flags["description"],
        "labels": pairs(flags["labels"]),
    }
    config = load_config(flags["config"])
    body = {**config, **{key: value for key, value in given.items() if value}, "name": version_id}
    if not body.get("deploymentUri") and not body.get("container"):
        raise OperatorError(
            "Either `--origin` must be provided or `deploymentUri` must be provided in the file "
            "given by `--config`."
        )
    return body


def _upload(client: "Client", folder: Path, staging_bucket: str) -> str:
    import hashlib

    from emulator.names import GcsUri

    if not staging_bucket:
        raise OperatorError(
            "If --origin is provided as a local path, --staging-bucket must be given as well."
        )
    if not folder.is_dir():
        raise OperatorError(f"[{folder}] is not a valid directory.")
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    bucket = staging_bucket.removeprefix("gs://").rstrip("/")
    target = GcsUri.parse(f"gs://{bucket}") / digest.hexdigest()
    client.storage.upload_folder(str(target), folder)
    return f"{target}/"


@versions.command(name="list")
@of_model
@format_option
@connected
def list_versions(*, model: str, form: str, data_dir: Path, project: str) -> None:
    """List the versions of a model."""
    with connect(data_dir, project) as client:
        found = client.versions(model)
    if form == "text":
        found = [{**version, "name": last_component(version["name"])} for version in found]
    columns = {"NAME": "name", "DEPLOYMENT_URI": "deploymentUri", "STATE": "state"}
    show_rows(found, columns, form)


@versions.command()
@click.argument("version")
@of_model
@format_option
@connected
def describe(*, version: str, model: str, form: str, data_dir: Path, project: str) -> None:
    """Print everything about one version."""
    with connect(data_dir, project) as client:
        show(client.version(model, version), form)


@versions.command(name="set-default")
@click.argument("version")
@of_model
@format_option
@connected
def set_default(*, version: str, model: str, form: str, data_dir: Path, project: str) -> None:
    """Let this version answer when only the model is named."""
    with connect(data_dir, project) as client:
        show(client.set_default_version(model, version), form)


@versions.command()
@click.argument("version")
@of_model
@format_option
@connected
def delete(*, version: str, model: str, form: str, data_dir: Path, project: str) -> None:
    """Take a version away; the default one goes last."""
    with connect(data_dir, project) as client:
        operation = client.wait_operation(client.delete_version(model, version))
    done(f"Deleted version [{version}].", operation, form)
