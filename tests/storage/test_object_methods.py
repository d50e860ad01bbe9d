from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.conftest import Bucket

HOSTILE = [
    "f",
    "f/child",
    "d/",
    "d//",
    "a//b",
    "a/../b",
    "../../../escaped",
    "/leading",
    "/",
    "...",
    "%2F",
    "a%2Fb",
    "a+b c&d=e#f?g",
    "a\\b",
    "tab\tand\x00nul",
    "é/日本/\U0001f600",
    "e\u0301",
    " ",
    "x" * 1024,
    "é" * 512,
    "y" * 300 + "/" + "z" * 300,
    "CON",
    "o/o",
    "acl",
    "b/o/compose",
]


def test_hostile_names_are_names(bucket: Bucket) -> None:
    """None of them is a path of this machine, and none is another one."""
    for name in HOSTILE:
        assert bucket.put(name, name.encode())["name"] == name
    assert bucket.names() == sorted(HOSTILE, key=str.encode)
    for name in HOSTILE:
        assert bucket.read(name).content == name.encode()
        assert bucket.stat(name).json()["name"] == name
        assert bucket.xml("GET", f"/{bucket.name}/{quote(name, safe='')}").content == name.encode()
    for name in HOSTILE:
        assert bucket.client.delete(bucket.object_path(name)).status_code == 204
        assert bucket.stat(name).status_code == 404
    assert bucket.names() == []


NAMES = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)
    .filter(lambda name: name not in {".", ".."})
    .filter(lambda name: not name.startswith(".well-known/acme-challenge/"))
)


@given(name=NAMES, content=st.binary(max_size=50))
@settings(max_examples=25, deadline=None)
def test_any_name_makes_the_round(shared: Bucket, name: str, content: bytes) -> None:
    shared.put(name, content)

    assert shared.read(name).content == content
    assert name in shared.names(prefix=name)
    assert shared.xml("HEAD", f"/{shared.name}/{quote(name, safe='')}").status_code == 200
    assert shared.client.delete(shared.object_path(name)).status_code == 204
    assert shared.read(name).status_code == 404


@pytest.mark.parametrize(
    "name", [".", "..", "a\nb", "a\rb", "x" * 1025, "é" * 513, ".well-known/acme-challenge/x"]
)
def test_names_that_the_service_refuses(bucket: Bucket, name: str) -> None:
    answer = bucket.upload(name, b"x")

    assert answer.status_code == 400
    assert answer.json()["error"]["errors"][0]["reason"] == "invalid"
    assert bucket.names() == []


def test_an_object_as_the_service_shows_it(bucket: Bucket) -> None:
    document = bucket.put("a b", b"hello")

    assert bucket.stat("a b").json() == document
    assert document["id"] == f"{bucket.name}/a b/{document['generation']}"
    assert (document["size"], document["metageneration"]) == ("5", "1")
    assert document["md5Hash"] == "XUFAKrxLKna5cZ2REBfFkg=="
    assert document["crc32c"] == "mnG7TA=="
    assert document["selfLink"].endswith(f"/storage/v1/b/{bucket.name}/o/a%20b")
    assert bucket.client.get(document["mediaLink"]).content == b"hello"
    assert "acl" not in document
    assert {entry["role"] for entry in bucket.stat("a b", projection="full").json()["acl"]} == {
        "OWNER",
        "READER",
    }


def test_links_name_the_service_where_the_client_did(bucket: Bucket) -> None:
    bucket.put("o")

    document = bucket.client.get(
        bucket.object_path("o"), headers={"host": "storage.googleapis.com"}
    ).json()

    assert document["selfLink"].startswith("https://www.googleapis.com/storage/v1/b/")
    assert document["mediaLink"].startswith("https://storage.googleapis.com/download/storage/v1/b/")


def test_what_is_not_there(bucket: Bucket) -> None:
    missing = bucket.stat("no such/o")
    nowhere = bucket.client.get("/storage/v1/b/no-such-bucket/o/o")

    assert missing.json() == {
        "error": {
            "code": 404,
            "message": f"No such object: {bucket.name}/no such/o",
            "errors": [
                {
                    "message": f"No such object: {bucket.name}/no such/o",
                    "domain": "global",
                    "reason": "notFound",
                }
            ],
        }
    }
    assert nowhere.status_code == 404
    assert nowhere.json()["error"]["message"] == "The specified bucket does not exist."
    for method, path in (("DELETE", ""), ("PATCH", ""), ("POST", "/rewriteTo/b/x/o/y")):
        assert bucket.client.request(method, bucket.object_path("none") + path).status_code == 404


def test_overwriting_makes_a_new_generation(bucket: Bucket) -> None:
    first = bucket.put("o", b"one")
    second = bucket.put("o", b"two")

    assert int(second["generation"]) > int(first["generation"])
    assert bucket.read("o").content == b"two"
    assert bucket.stat("o", generation=second["generation"]).status_code == 200
    assert bucket.stat("o", generation=first["generation"]).status_code == 404


def test_preconditions(bucket: Bucket) -> None:
    generation = bucket.put("o", b"one")["generation"]

    assert bucket.upload("o", b"x", ifGenerationMatch="0").status_code == 412
    assert bucket.upload("o", b"x", ifGenerationMatch="1").status_code == 412
    assert bucket.upload("n", b"x", ifGenerationMatch="1").status_code == 412
    assert bucket.upload("n", b"x", ifGenerationMatch="0").status_code == 200
    assert bucket.stat("o", ifGenerationMatch="1").status_code == 412
    assert bucket.stat("o", ifGenerationNotMatch=generation).status_code == 304
    assert bucket.stat("o", ifMetagenerationMatch="2").status_code == 412
    assert bucket.stat("o", ifGenerationMatch="x").status_code == 400
    path = bucket.object_path("o")
    assert bucket.client.delete(path, params={"ifGenerationMatch": "1"}).status_code == 412
    refused = bucket.client.patch(path, params={"ifMetagenerationNotMatch": "1"}, json={})
    assert refused.status_code == 412
    assert refused.json()["error"]["errors"][0]["reason"] == "conditionNotMet"
    assert bucket.read("o").content == b"one"
    assert bucket.upload("o", b"two", ifGenerationMatch=generation).status_code == 200
    assert bucket.client.delete(path, params={"ifMetagenerationMatch": "1"}).status_code == 204


def test_patching_metadata(bucket: Bucket) -> None:
    before = bucket.put("o", b"x")
    path = bucket.object_path("o")

    bucket.client.patch(path, json={"metadata": {"a": "1", "b": 2}, "cacheControl": "no-store"})
    after = bucket.client.patch(
        path, json={"metadata": {"a": None, "c": "3"}, "cacheControl": None, "size": "700"}
    ).json()

    assert after["metadata"] == {"b": "2", "c": "3"}
    assert "cacheControl" not in after
    assert (after["generation"], after["metageneration"]) == (before["generation"], "3")
    assert (after["size"], after["contentType"]) == ("1", "text/plain")
    assert "acl" in after
    assert bucket.client.patch(path, json={"metadata": "x"}).status_code == 400
    assert bucket.client.patch(path, content=b"{").json()["error"]["message"] == "Parse Error"


def test_updating_replaces_metadata(bucket: Bucket) -> None:
    bucket.put("o", b"x")
    path = bucket.object_path("o")
    bucket.client.patch(path, json={"metadata": {"a": "1"}, "cacheControl": "no-store"})

    after = bucket.client.put(path, json={"contentType": "text/y"}).json()

    assert after["contentType"] == "text/y"
    assert not {"metadata", "cacheControl"} & after.keys()


def test_a_patch_in_a_post(bucket: Bucket) -> None:
    bucket.put("o", b"x")

    answer = bucket.client.post(
        bucket.object_path("o"),
        json={"contentType": "text/z"},
        headers={"x-http-method-override": "PATCH"},
    )

    assert answer.json()["contentType"] == "text/z"


def test_deleting_answers_204_without_a_body(bucket: Bucket) -> None:
    bucket.put("o")

    answer = bucket.client.delete(bucket.object_path("o"))

    assert (answer.status_code, answer.content) == (204, b"")
    assert bucket.client.delete(bucket.object_path("o")).status_code == 404
