"""``cmle storage``: buckets and objects from the terminal, for what gcloud is not at hand."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.options import connect, connected, format_option
from emulator.cli.output import done, show
from emulator.errors import OperatorError
from emulator.names import GcsUri

if TYPE_CHECKING:
    from emulator.client import Client


@click.group(name="storage")
def storage() -> None:
    """List, copy and remove objects."""


@storage.command()
@click.argument("uri")
@format_option
@connected
def mb(*, uri: str, form: str, data_dir: Path, project: str) -> None:
    """Make a bucket."""
    bucket = gs_uri(uri).bucket
    with connect(data_dir, project) as client:
        client.storage.create(bucket)
    if form == "json":
        show({"bucket": bucket}, form)


@storage.command()
@click.argument("uri")
@format_option
@connected
def ls(*, uri: str, form: str, data_dir: Path, project: str) -> None:
    """List the objects whose names begin so."""
    where = gs_uri(uri)
    with connect(data_dir, project) as client:
        found = list(client.storage.objects(str(where)))
    if form == "json":
        show(found, form)
        return
    for entry in found:
        click.echo(f"{entry.get('size', 0):>12}  gs://{where.bucket}/{entry['name']}")


@storage.command()
@click.argument("uri")
@connected
def cat(*, uri: str, data_dir: Path, project: str) -> None:
    """Write an object to standard output."""
    with connect(data_dir, project) as client:
        sys.stdout.buffer.write(client.storage.download(str(gs_uri(uri))))


@storage.command()
@click.argument("source")
@click.argument("target")
@format_option
@connected
def cp(*, source: str, target: str, form: str, data_dir: Path, project: str) -> None:
    """Copy a file or folder into storage, or a folder or object out of it."""
    with connect(data_dir, project) as client:
        if target.startswith("gs://"):
            copied = _into(client, Path(source), str(gs_uri(target)))
        elif source.startswith("gs://"):
            copied = _out_of(client, str(gs_uri(source)), Path(target))
        else:
            raise click.UsageError("One of SOURCE and TARGET must be a gs:// URI.")
    done(f"Copied {copied} file(s).", {"copied": copied}, form)


@storage.command()
@click.argument("uri")
@click.option("-r", "--recursive", is_flag=True, help="Everything whose name begins so.")
@format_option
@connected
def rm(*, uri: str, recursive: bool, form: str, data_dir: Path, project: str) -> None:
    """Remove an object."""
    where = gs_uri(uri)
    with connect(data_dir, project) as client:
        found = list(client.storage.objects(str(where))) if recursive else []
        names = [entry["name"] for entry in found] if recursive else [where.object]
        for name in names:
            client.storage.delete(str(GcsUri(where.bucket, name)))
    done(f"Removed {len(names)} object(s).", {"removed": names}, form)


def gs_uri(text: str) -> GcsUri:
    try:
        return GcsUri.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected gs://BUCKET/NAME") from error


def _into(client: "Client", source: Path, target: str) -> int:
    if source.is_dir():
        return len(client.storage.upload_folder(target, source))
    if not source.is_file():
        raise OperatorError(f"{source} is neither a file nor a folder.")
    into_folder = target.endswith("/") or not GcsUri.parse(target).object
    client.storage.upload(
        str(GcsUri.parse(target) / source.name) if into_folder else target, source
    )
    return 1


def _out_of(client: "Client", source: str, target: Path) -> int:
    if GcsUri.parse(source).object and client.storage.exists(source):
        path = target / source.rsplit("/", 1)[-1] if target.is_dir() else target
        path.write_bytes(client.storage.download(source))
        return 1
    copied = len(client.storage.download_folder(source, target))
    if not copied:
        raise OperatorError(f"Nothing is stored at or below {source}.")
    return copied
