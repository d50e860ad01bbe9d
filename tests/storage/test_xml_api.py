import re

import httpx
import pytest

from tests.storage.conftest import PROJECT, Bucket


def keys(answer: httpx.Response) -> list[str]:
    return re.findall(r"<(?:Key|Prefix)>([^<]+)</", answer.text)


def test_the_round_of_an_object(bucket: Bucket) -> None:
    path = f"/{bucket.name}/d/o%20x"
    url = httpx.URL(str(bucket.client.base_url), raw_path=path.encode())
    put = bucket.client.put(
        url,
        content=b"hello",
        headers={
            "host": "storage.googleapis.com",
            "content-type": "text/x",
            "x-goog-meta-color": "red",
            "x-goog-acl": "public-read",
        },
    )

    got = bucket.xml("GET", path)

    assert (put.status_code, put.content) == (200, b"")
    assert put.headers["x-goog-generation"] == got.headers["x-goog-generation"]
    assert (got.content, got.headers["content-type"]) == (b"hello", "text/x")
    assert got.headers["x-goog-meta-color"] == "red"
    assert bucket.stat("d/o x", projection="full").json()["acl"][-1]["entity"] == "allUsers"
    assert bucket.xml("HEAD", path).headers["content-length"] == "5"
    assert bucket.xml("DELETE", path).status_code == 204
    assert bucket.xml("HEAD", path).status_code == 404
    assert bucket.xml("HEAD", path).content == b""


def test_a_bucket_in_the_name_of_the_host(bucket: Bucket) -> None:
    bucket.put("b/o", b"x")
    host = f"{bucket.name}.storage.googleapis.com"

    assert bucket.xml("GET", "/b/o", host=host).content == b"x"
    assert bucket.xml("GET", "/b%2Fo", host=f"{host}:443").content == b"x"
    assert keys(bucket.xml("GET", "/", host=host)) == ["b/o"]


def test_errors_are_xml(bucket: Bucket) -> None:
    missing = bucket.xml("GET", f"/{bucket.name}/no<such>")
    nowhere = bucket.xml("GET", "/no-such-bucket/o")

    assert missing.headers["content-type"] == "application/xml; charset=UTF-8"
    assert missing.text == (
        "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code>"
        "<Message>The specified key does not exist.</Message>"
        f"<Details>No such object: {bucket.name}/no&lt;such&gt;</Details></Error>"
    )
    assert (nowhere.status_code, "NoSuchBucket" in nowhere.text) == (404, True)
    assert bucket.xml("PATCH", f"/{bucket.name}/o").status_code == 405
    assert bucket.xml("PATCH", f"/{bucket.name}").status_code == 405
    assert bucket.xml("GET", f"/{bucket.name}/o?acl").status_code == 501
    assert bucket.xml("PUT", f"/{bucket.name}/..%0A").status_code == 400


def test_listing(bucket: Bucket) -> None:
    for name in ("a", "d/x", "d/y", "e", "f"):
        bucket.put(name)

    first = bucket.xml("GET", f"/{bucket.name}?delimiter=/&max-keys=2")
    second = bucket.xml("GET", f"/{bucket.name}?delimiter=/&max-keys=2&marker=d/")

    assert keys(first) == ["a", "d/"]
    assert "<IsTruncated>true</IsTruncated><NextMarker>d/</NextMarker>" in first.text
    assert keys(second) == ["e", "f"]
    assert "<IsTruncated>false<" in second.text
    assert keys(bucket.xml("GET", f"/{bucket.name}?prefix=d/"))[1:] == ["d/x", "d/y"]
    token = re.search(
        "<NextContinuationToken>([^<]*)</",
        bucket.xml("GET", f"/{bucket.name}?list-type=2&max-keys=4").text,
    )
    assert token
    last = bucket.xml("GET", f"/{bucket.name}?list-type=2&continuation-token={token[1]}")
    assert keys(last) == ["f"]
    assert bucket.xml("GET", f"/{bucket.name}?continuation-token=?").status_code == 400


def test_buckets(bucket: Bucket) -> None:
    name = f"{bucket.name}-xml"

    assert bucket.xml("PUT", f"/{name}", **{"x-goog-project-id": PROJECT}).status_code == 200
    assert bucket.xml("PUT", f"/{name}").status_code == 409
    assert f"<Name>{name}</Name>" in bucket.xml("GET", "/").text
    assert ">US<" in bucket.xml("GET", f"/{name}?location").text
    assert "VersioningConfiguration" in bucket.xml("GET", f"/{name}?versioning").text
    assert bucket.xml("HEAD", f"/{name}").status_code == 200
    assert bucket.xml("DELETE", f"/{name}").status_code == 204
    assert bucket.xml("HEAD", f"/{name}").status_code == 404
    bucket.put("o")
    refused = bucket.xml("DELETE", f"/{bucket.name}")
    assert (refused.status_code, "BucketNotEmpty" in refused.text) == (409, True)


def test_copying(bucket: Bucket) -> None:
    bucket.put("a b", b"x")
    source = {"x-goog-copy-source": f"/{bucket.name}/a%20b"}

    kept = bucket.xml("PUT", f"/{bucket.name}/c", **source)
    other = bucket.xml(
        "PUT",
        f"/{bucket.name}/d",
        **source,
        **{"x-goog-metadata-directive": "REPLACE", "content-type": "text/y"},
    )

    assert "CopyObjectResult" in kept.text
    assert bucket.stat("c").json()["contentType"] == "text/plain"
    assert other.status_code == 200
    assert bucket.stat("d").json()["contentType"] == "text/y"
    missing = {"x-goog-copy-source": f"/{bucket.name}/none"}
    assert bucket.xml("PUT", f"/{bucket.name}/e", **missing).status_code == 404


@pytest.mark.parametrize("virtual", [False, True], ids=["path", "host"])
def test_a_resumable_upload_as_signed_urls_begin_it(bucket: Bucket, *, virtual: bool) -> None:
    host = f"{bucket.name}.storage.googleapis.com" if virtual else "storage.googleapis.com"
    path = "/d/o" if virtual else f"/{bucket.name}/d/o"
    begun = bucket.xml("POST", path, host=host, **{"x-goog-resumable": "start"})

    location = httpx.URL(begun.headers["location"])
    url = httpx.URL(str(bucket.client.base_url), raw_path=location.raw_path)
    headers = {"host": location.host, "content-range": "bytes 0-4/5"}
    answer = bucket.client.put(url, content=b"hello", headers=headers)

    assert (begun.status_code, location.host) == (201, host)
    assert answer.status_code == 200
    assert bucket.read("d/o").content == b"hello"
    assert bucket.xml("POST", path, host=host).status_code == 400


def test_preconditions(bucket: Bucket) -> None:
    generation = bucket.put("o", b"x")["generation"]
    path = f"/{bucket.name}/o"

    assert bucket.xml("PUT", path, **{"x-goog-if-generation-match": "0"}).status_code == 412
    assert bucket.xml("DELETE", path, **{"x-goog-if-generation-match": "1"}).status_code == 412
    right = {"x-goog-if-generation-match": generation}
    assert bucket.xml("DELETE", path, **right).status_code == 204
