"""Local code becomes packages in storage and a job that names them."""

import re
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.names import GcsUri
from emulator.rest import Refused
from emulator.submission import Code, staging_folder, store, submit, with_packages

if TYPE_CHECKING:
    from tests.conftest import Keeper


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "code" / "trainer"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "task.py").write_text("print('hello')\n")
    return folder


def test_package_is_built_stored_and_named(
    client: Client, keeper: "Keeper", package: Path, tmp_path: Path
) -> None:
    keeper.buckets["bkt"] = {}
    code = Code(package, staging_bucket="gs://bkt", python=Path(sys.executable))
    job = submit(client, {"jobId": "j", "trainingInput": {"region": "r"}}, code)
    (uri,) = job["trainingInput"]["packageUris"]
    assert re.fullmatch(r"gs://bkt/j/[0-9a-f]{64}/trainer-0\.0\.0\.tar\.gz", uri)
    (tmp_path / "x.tar.gz").write_bytes(keeper.buckets["bkt"][uri.removeprefix("gs://bkt/")])
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        assert "trainer-0.0.0/trainer/task.py" in archive.getnames()


def test_stored_packages_stand_before_local_ones(
    client: Client, keeper: "Keeper", tmp_path: Path
) -> None:
    keeper.buckets["bkt"] = {}
    (tmp_path / "local.tar.gz").write_bytes(b"x")
    code = Code(packages=(str(tmp_path / "local.tar.gz"), "gs://other/a.tar.gz"))
    job = {"jobId": "j", "trainingInput": {"jobDir": "gs://bkt/out"}}
    first, second = with_packages(client, job, code)["trainingInput"]["packageUris"]
    assert first == "gs://other/a.tar.gz"
    assert second.startswith("gs://bkt/out/packages/")


@pytest.mark.parametrize(
    ("bucket", "job_dir", "expected"),
    [
        ("gs://b", "gs://c/out", "gs://b/j"),
        ("b", None, "gs://b/j"),
        ("", "gs://c/out", "gs://c/out/packages"),
        ("", "gs://c", "gs://c/packages"),
    ],
    ids=["bucket-wins", "bare-name", "job-dir", "bare-job-dir"],
)
def test_staging_follows_gcloud(bucket: str, job_dir: str | None, expected: str) -> None:
    assert str(staging_folder("j", bucket, job_dir)) == expected


def test_nowhere_to_stage_is_gclouds_sentence(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    code = Code(packages=(str(tmp_path / "a.tar.gz"),))
    with pytest.raises(OperatorError, match="`--staging-bucket` or `--job-dir` flag must be given"):
        submit(client, {"jobId": "j"}, code)


def test_nothing_to_run_is_gclouds_sentence(client: Client) -> None:
    with pytest.raises(OperatorError, match="Non-custom jobs must have packages"):
        submit(client, {"jobId": "j"}, Code())


def test_custom_images_need_no_package(client: Client) -> None:
    job = {"jobId": "j", "trainingInput": {"masterConfig": {"imageUri": "image"}}}
    assert submit(client, job, Code())["jobId"] == "j"


def test_missing_bucket_is_explained(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    code = Code(packages=(str(tmp_path / "a.tar.gz"),), staging_bucket="gs://absent")
    with pytest.raises(OperatorError, match=r"\[absent\] bucket does not exist.*cmle storage mb"):
        submit(client, {"jobId": "j"}, code)


def test_same_names_are_refused(client: Client, keeper: "Keeper", tmp_path: Path) -> None:
    keeper.buckets["b"] = {}
    paths = [tmp_path / "x" / "a.tar.gz", tmp_path / "y" / "a.tar.gz"]
    with pytest.raises(OperatorError, match=r"same filename: \[a\.tar\.gz\]"):
        store(client, GcsUri("b"), paths)


def test_refused_job_leaves_its_text(client: Client) -> None:
    code = Code(packages=("gs://b/a.tar.gz",))
    submit(client, {"jobId": "j"}, code)
    with pytest.raises(Refused, match="already exists"):
        submit(client, {"jobId": "j"}, code)
