"""Buckets and objects through the client."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.rest import Refused

if TYPE_CHECKING:
    from tests.conftest import Keeper


def test_folder_goes_in_and_comes_out(client: Client, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_bytes(b"a")
    (tmp_path / "in" / "deep" / "b c.bin").write_bytes(b"\x00b")
    client.storage.create("bkt")
    stored = client.storage.upload_folder("gs://bkt/x", str(tmp_path / "in"))
    assert stored == ["gs://bkt/x/a.txt", "gs://bkt/x/deep/b c.bin"]
    fetched = client.storage.download_folder("gs://bkt/x", str(tmp_path / "out"))
    assert [path.read_bytes() for path in fetched] == [b"a", b"\x00b"]


def test_object_names_are_quoted(client: Client) -> None:
    client.storage.create("bkt")
    client.storage.upload("gs://bkt/a/b %?#ž", b"content")
    assert client.storage.download("gs://bkt/a/b %?#ž") == b"content"
    assert client.storage.exists("gs://bkt/a/b %?#ž")
    assert not client.storage.exists("gs://bkt/a")


def test_names_that_lead_outside_are_not_followed(
    client: Client, keeper: "Keeper", tmp_path: Path
) -> None:
    keeper.buckets["bkt"] = {"x/../../out.txt": b"!"}
    with pytest.raises(OperatorError, match="leads out of"):
        client.storage.download_folder("gs://bkt/x", tmp_path / "in")
    assert not (tmp_path / "out.txt").exists()


def test_existing_bucket_is_no_error_if_so_wished(client: Client) -> None:
    client.storage.create("bkt")
    client.storage.create("bkt", exist_ok=True)
    with pytest.raises(Refused, match="already own"):
        client.storage.create("bkt")


def test_bucket_is_removed_with_its_objects(client: Client, keeper: "Keeper") -> None:
    keeper.buckets["bkt"] = {f"o{number}": b"" for number in range(5)}
    client.storage.remove("bkt")
    assert keeper.buckets == {}
