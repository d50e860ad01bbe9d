"""From local code to a submitted job: packages are built, stored and named in the request."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.names import GcsUri
from emulator.packaging import build
from emulator.rest import Refused


class Code(msgspec.Struct, frozen=True):
    """What a job runs: a package directory, and archives (local or ``gs://``) beside it.

    ``python`` builds the package (else any with setuptools does), its setup.py sees
    ``environment``.
    """

    package_path: Path | None = None
    packages: tuple[str, ...] = ()
    staging_bucket: str = ""
    python: Path | None = None
    environment: Mapping[str, str] = {}


def submit(client: Client, job: Mapping[str, Any], code: Code) -> dict[str, Any]:
    """Build and store the packages, then create the job; answers the Job."""
    return client.create_job(with_packages(client, job, code))


def with_packages(client: Client, job: Mapping[str, Any], code: Code) -> dict[str, Any]:
    """The job with ``packageUris`` of everything in ``code``, which is stored by then."""
    training = dict(job.get("trainingInput") or {})
    remote = [name for name in code.packages if name.startswith("gs://")]
    local = [Path(name) for name in code.packages if not name.startswith("gs://")]
    with tempfile.TemporaryDirectory(prefix="cmle-packages-") as folder:
        files = [*local, *_built(code, Path(folder))]
        stored = []
        if files:
            base = staging_folder(str(job["jobId"]), code.staging_bucket, training.get("jobDir"))
            stored = store(client, base, files)
    uris = [*remote, *stored] or training.get("packageUris", [])
    if uris:
        training["packageUris"] = list(uris)
    elif not (training.get("masterConfig") or {}).get("imageUri"):
        raise OperatorError("Non-custom jobs must have packages.")
    return {**job, "trainingInput": training}


def _built(code: Code, folder: Path) -> list[Path]:
    if code.package_path is None:
        return []
    return build(code.package_path, folder, python=code.python, environment=code.environment)


def staging_folder(job_id: str, staging_bucket: str, job_dir: str | None) -> GcsUri:
    """Where gcloud puts packages: below the staging bucket, else below the job's folder."""
    if staging_bucket:
        name = staging_bucket.removeprefix("gs://").rstrip("/")
        return GcsUri.parse(f"gs://{name}") / job_id
    if job_dir:
        return GcsUri.parse(job_dir) / "packages"
    raise OperatorError(
        "If local packages are provided, the `--staging-bucket` or `--job-dir` flag must be given."
    )


def store(client: Client, base: GcsUri, files: Sequence[Path]) -> list[str]:
    """Upload ``files`` below a folder named by their contents; answers their URIs."""
    names = [path.name for path in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OperatorError(
            f"Cannot upload multiple packages with the same filename: [{', '.join(twice)}]"
        )
    folder = base / _digest(files)
    uris = []
    for path in files:
        uri = str(folder / path.name)
        _store_one(client, uri, path)
        uris.append(uri)
    return uris


def _store_one(client: Client, uri: str, path: Path) -> None:
    try:
        stored = client.storage.upload(uri, path, "application/x-tar")
    except Refused as refused:
        bucket = GcsUri.parse(uri).bucket
        if refused.code == 404:  # noqa: PLR2004 - HTTP's not found
            raise OperatorError(
                f"Could not upload file: [{bucket}] bucket does not exist. "
                f"`cmle storage mb gs://{bucket}` makes it."
            ) from refused
        raise
    if int(stored.get("size", -1)) != path.stat().st_size:
        raise OperatorError(
            "Cloud storage upload failure. Uploaded file does not match local file: "
            f"{path}. Please retry."
        )


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except OSError as error:
            raise OperatorError(f"Cannot read the package {path}: {error.strerror}.") from error
    return digest.hexdigest()
