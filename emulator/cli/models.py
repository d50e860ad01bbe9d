"""``cmle models``: the names that versions are deployed under."""

from pathlib import Path

import click

from emulator.cli.options import connect, connected, format_option, pairs
from emulator.cli.output import done, show, show_rows
from emulator.names import last_component


@click.group(name="models")
def models() -> None:
    """Create, list, describe and delete models."""


@models.command()
@click.argument("model")
@click.option("--regions", "--region", default="us-central1", show_default=True)
@click.option("--description", default="")
@click.option("--labels", default="", metavar="KEY=VALUE,…")
@format_option
@connected
def create(*, model: str, data_dir: Path, project: str, **flags: str) -> None:
    """Create a model without versions."""
    fields = {
        "regions": [] if flags["regions"] == "global" else flags["regions"].split(","),
        "description": flags["description"],
        "labels": pairs(flags["labels"]),
    }
    with connect(data_dir, project) as client:
        made = client.create_model(model, **{key: value for key, value in fields.items() if value})
        done(f"Created ai platform model [{made['name']}].", made, flags["form"])


@models.command(name="list")
@format_option
@connected
def list_models(*, form: str, data_dir: Path, project: str) -> None:
    """List all models."""
    with connect(data_dir, project) as client:
        found = client.models()
    if form == "text":
        found = [_named(model) for model in found]
    show_rows(found, {"NAME": "name", "DEFAULT_VERSION_NAME": "defaultVersion"}, form)


def _named(model: dict[str, object]) -> dict[str, object]:
    default = model.get("defaultVersion")
    version = last_component(str(default["name"])) if isinstance(default, dict) else ""
    return {"name": last_component(str(model["name"])), "defaultVersion": version}


@models.command()
@click.argument("model")
@format_option
@connected
def describe(*, model: str, form: str, data_dir: Path, project: str) -> None:
    """Print everything about one model."""
    with connect(data_dir, project) as client:
        show(client.model(model), form)


@models.command()
@click.argument("model")
@format_option
@connected
def delete(*, model: str, form: str, data_dir: Path, project: str) -> None:
    """Delete a model that has no versions."""
    with connect(data_dir, project) as client:
        operation = client.wait_operation(client.delete_model(model))
    done(f"Deleted model [{model}].", operation, form)
