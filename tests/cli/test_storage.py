"""``cmle storage``, ``cmle seed`` and ``cmle status``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle
    from tests.conftest import Keeper


@pytest.mark.usefixtures("data_dir")
def test_file_is_copied_in_and_out(cmle: "Cmle", tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert cmle("storage", "mb", "gs://bkt").code == 0
    assert cmle("storage", "cp", tmp_path / "a.txt", "gs://bkt/x/").code == 0
    assert cmle("storage", "ls", "gs://bkt").out == "           4  gs://bkt/x/a.txt\n"
    cmle("storage", "cp", "gs://bkt/x/a.txt", tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_text() == "text"


@pytest.mark.usefixtures("data_dir")
def test_folder_is_copied_out(cmle: "Cmle", keeper: "Keeper", tmp_path: Path) -> None:
    keeper.buckets["bkt"] = {"m/saved_model.pb": b"1", "m/variables/v": b"2"}
    assert cmle("storage", "cp", "gs://bkt/m", tmp_path).err == "Copied 2 file(s).\n"
    assert (tmp_path / "variables" / "v").read_bytes() == b"2"


@pytest.mark.usefixtures("data_dir")
def test_nothing_to_copy_is_an_error(cmle: "Cmle", keeper: "Keeper", tmp_path: Path) -> None:
    keeper.buckets["bkt"] = {}
    result = cmle("storage", "cp", "gs://bkt/m", tmp_path)
    assert (result.code, result.err) == (1, "ERROR: Nothing is stored at or below gs://bkt/m.\n")


@pytest.mark.usefixtures("data_dir")
def test_everything_below_is_removed(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.buckets["bkt"] = {"m/a": b"", "m/b": b"", "n": b""}
    cmle("storage", "rm", "-r", "gs://bkt/m/")
    assert keeper.buckets["bkt"] == {"n": b""}


@pytest.mark.usefixtures("data_dir")
def test_seed_makes_the_bucket(cmle: "Cmle", keeper: "Keeper", tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.csv").write_bytes(b"1,2")
    for _ in range(2):
        assert cmle("seed", "gs://cloud-samples-data/taxi", tmp_path).code == 0
    assert keeper.buckets == {"cloud-samples-data": {"taxi/deep/a.csv": b"1,2"}}


@pytest.mark.usefixtures("data_dir")
def test_seed_needs_a_folder_and_a_uri(cmle: "Cmle", tmp_path: Path) -> None:
    assert "is not a folder" in cmle("seed", "gs://bkt", tmp_path / "none").err
    assert cmle("seed", "bkt", tmp_path).code == 2


@pytest.mark.usefixtures("data_dir")
def test_status_tells_the_address_and_the_jobs(cmle: "Cmle", keeper: "Keeper", served: str) -> None:
    keeper.jobs = {"j": {"jobId": "j", "state": "FAILED"}}
    document = json.loads(cmle("status", "--format=json").out)
    assert document["url"] == served
    assert document["jobs"] == {"FAILED": 1}
