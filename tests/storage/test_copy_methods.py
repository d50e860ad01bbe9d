from collections.abc import Callable
from typing import Any

import google_crc32c
import pytest

from emulator.storage.documents import crc32c_text
from tests.storage.conftest import Bucket


def rewrite(bucket: Bucket, source: str, to: Bucket, target: str, **params: str) -> Any:
    path = f"{bucket.object_path(source)}/rewriteTo/b/{to.name}/o/{target.replace('/', '%2F')}"
    return bucket.client.post(path, params=params)


def compose(bucket: Bucket, target: str, sources: list[Any], **params: str) -> Any:
    return bucket.client.post(
        f"{bucket.object_path(target)}/compose",
        params=params,
        json={"sourceObjects": sources, "destination": {"contentType": "text/x"}},
    )


def test_rewriting_copies_at_once(new_bucket: Callable[[], Bucket]) -> None:
    here, there = new_bucket(), new_bucket()
    source = here.put("a", b"hello")
    here.client.patch(here.object_path("a"), json={"metadata": {"k": "v"}})

    answer = rewrite(here, "a", there, "d/b").json()

    assert (answer["done"], answer["objectSize"]) == (True, "5")
    assert answer["resource"]["metadata"] == {"k": "v"}
    assert answer["resource"]["contentType"] == "text/plain"
    assert answer["resource"]["md5Hash"] == source["md5Hash"]
    assert here.client.delete(here.object_path("a")).status_code == 204
    assert there.read("d/b").content == b"hello"


def test_a_rename_as_tensorflow_does_it(bucket: Bucket) -> None:
    bucket.put("ckpt.tmp", b"weights" * 2_000_000)

    rewrite(bucket, "ckpt.tmp", bucket, "ckpt")
    bucket.client.delete(bucket.object_path("ckpt.tmp"))

    assert bucket.names() == ["ckpt"]
    assert bucket.read("ckpt").content == b"weights" * 2_000_000


def test_copying_with_other_metadata(bucket: Bucket) -> None:
    bucket.put("a", b"x")
    path = f"{bucket.object_path('a')}/copyTo/b/{bucket.name}/o/b"

    copied = bucket.client.post(path, json={"contentType": "text/y", "metadata": {"n": "1"}}).json()

    assert (copied["kind"], copied["contentType"]) == ("storage#object", "text/y")
    assert bucket.stat("a").json()["contentType"] == "text/plain"
    assert bucket.client.post(path, json={"metadata": {}}).json()["contentType"] == "text/plain"


def test_preconditions_on_source_and_target(bucket: Bucket) -> None:
    generation = bucket.put("a", b"x")["generation"]
    bucket.put("b", b"y")

    for params in (
        {"ifGenerationMatch": "0"},
        {"ifSourceGenerationMatch": "1"},
        {"ifSourceMetagenerationNotMatch": "1"},
    ):
        assert rewrite(bucket, "a", bucket, "b", **params).status_code == 412
    assert rewrite(bucket, "a", bucket, "b", sourceGeneration="1").status_code == 404
    assert bucket.read("b").content == b"y"
    assert rewrite(bucket, "a", bucket, "b", ifSourceGenerationMatch=generation).status_code == 200


def test_an_object_onto_itself(bucket: Bucket) -> None:
    before = bucket.put("a", b"x" * 100)

    after = rewrite(bucket, "a", bucket, "a").json()["resource"]

    assert int(after["generation"]) > int(before["generation"])
    assert bucket.read("a").content == b"x" * 100


def test_moving(bucket: Bucket) -> None:
    bucket.put("a", b"x")
    path = f"{bucket.object_path('a')}/moveTo/o/d%2Fb"

    assert bucket.client.post(path, params={"ifGenerationMatch": "1"}).status_code == 412
    assert bucket.names() == ["a"]
    moved = bucket.client.post(path)

    assert moved.json()["name"] == "d/b"
    assert bucket.names() == ["d/b"]
    assert bucket.read("d/b").content == b"x"
    assert bucket.client.post(path).status_code == 404


def test_composing(bucket: Bucket) -> None:
    pieces = [b"one", b"", b"t" * 9_000_000, b"three"]
    for number, piece in enumerate(pieces):
        bucket.put(f"p{number}", piece)

    made = compose(bucket, "whole", [{"name": f"p{number}"} for number in range(4)]).json()
    for number in range(4):
        bucket.client.delete(bucket.object_path(f"p{number}"))

    whole = b"".join(pieces)
    assert made["crc32c"] == crc32c_text(google_crc32c.value(whole))
    assert (made["size"], made["componentCount"]) == (str(len(whole)), 4)
    assert made["contentType"] == "text/x"
    assert "md5Hash" not in made
    assert bucket.read("whole").content == whole
    assert bucket.read("whole", range="bytes=1-9000003").content == whole[1:9_000_004]


def test_appending_by_composing_onto_itself(bucket: Bucket) -> None:
    bucket.put("log", b"a")
    for number in range(3):
        bucket.put("more", f"{number}".encode())
        compose(bucket, "log", [{"name": "log"}, {"name": "more"}])

    assert bucket.read("log").content == b"a012"
    assert bucket.stat("log").json()["componentCount"] == 4


def test_what_composing_needs(bucket: Bucket) -> None:
    generation = bucket.put("a", b"x")["generation"]

    assert compose(bucket, "b", []).status_code == 400
    assert compose(bucket, "b", ["a"]).status_code == 400
    assert compose(bucket, "b", [{"name": "a"}] * 33).status_code == 400
    assert compose(bucket, "b", [{"name": "none"}]).status_code == 404
    assert compose(bucket, "b", [{"name": "a", "generation": "1"}]).status_code == 404
    wrong = {"name": "a", "objectPreconditions": {"ifGenerationMatch": "1"}}
    assert compose(bucket, "b", [wrong]).status_code == 412
    assert compose(bucket, "a", [{"name": "a"}], ifGenerationMatch="0").status_code == 412
    assert bucket.names() == ["a"]
    right = {"name": "a", "generation": generation}
    assert compose(bucket, "b", [right], ifGenerationMatch="0").status_code == 200


@pytest.mark.parametrize("target", ["..", "a%0Ab"])
def test_targets_have_names_too(bucket: Bucket, target: str) -> None:
    bucket.put("a")

    path = f"{bucket.object_path('a')}/rewriteTo/b/{bucket.name}/o/{target}"

    assert bucket.client.post(path.replace("..", "%2E%2E")).status_code == 400
