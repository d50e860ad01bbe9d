"""``cmle seed``: what a trainer expects to find in a bucket, from a local folder."""

from pathlib import Path

import click

from emulator.cli.options import connect, connected, format_option
from emulator.cli.output import done
from emulator.cli.storage import gs_uri
from emulator.errors import OperatorError


@click.command(name="seed")
@click.argument("uri")
@click.argument("folder", type=click.Path(path_type=Path))
@format_option
@connected
def seed(*, uri: str, folder: Path, form: str, data_dir: Path, project: str) -> None:
    """Store every file below FOLDER under the gs:// URI; the bucket is made if it is missing.

    The name may be that of a public bucket that samples read from, such as
    gs://cloud-samples-data/ai-platform.
    """
    if not folder.is_dir():
        raise OperatorError(f"{folder} is not a folder, so there is nothing to store from it.")
    where = gs_uri(uri)
    with connect(data_dir, project) as client:
        client.storage.create(where.bucket, exist_ok=True)
        stored = client.storage.upload_folder(str(where), folder)
    done(f"Stored {len(stored)} file(s) below {where}.", stored, form)
