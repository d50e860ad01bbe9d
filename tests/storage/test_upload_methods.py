import random
import socket
from typing import Any

import httpx
import pytest

from tests.storage.conftest import Bucket


def multipart(bucket: Bucket, body: bytes, **params: str) -> httpx.Response:
    return bucket.client.post(
        f"/upload{bucket.path}/o",
        params={"uploadType": "multipart", **params},
        content=body,
        headers={"content-type": "multipart/related; boundary=XX"},
    )


def related(metadata: bytes, media: bytes, newline: bytes = b"\r\n") -> bytes:
    return newline.join(
        [
            b"--XX",
            b"Content-Type: application/json",
            b"",
            metadata,
            b"--XX",
            b"Content-Type: image/x",
            b"",
            media,
            b"--XX--",
            b"",
        ]
    )


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_metadata_and_media_in_one(bucket: Bucket, newline: bytes) -> None:
    media = b"--X\r\n\r\n--Y" + bytes(range(256))
    answer = multipart(bucket, related(b'{"name":"d/o","metadata":{"k":"v"}}', media, newline))

    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"] == {"k": "v"}
    assert answer.json()["contentType"] == "image/x"
    assert bucket.read("d/o").content == media


def test_the_query_names_the_object_first(bucket: Bucket) -> None:
    body = related(b'{"name":"a","contentType":"text/c"}', b"")

    assert multipart(bucket, body, name="b").json()["contentType"] == "text/c"
    assert bucket.names() == ["b"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XX\r\n\r\n{}\r\n--XX--",
        related(b'{"name":"o"}', b"x").removesuffix(b"--XX--\r\n"),
        related(b'{"name":"o"', b"x"),
        related(b"[]", b"x"),
        related(b"{}", b"x"),
        related(b'{"name":"o"}', b"x").replace(b"--XX--", b"--XX\r\n\r\nthird\r\n--XX--"),
        related(b'{"name":"o","md5Hash":"AAAAAAAAAAAAAAAAAAAAAA=="}', b"x"),
        related(b'{"name":"o","crc32c":"AAAAAA=="}', b"x"),
    ],
)
def test_broken_multipart_bodies_store_nothing(bucket: Bucket, body: bytes) -> None:
    assert multipart(bucket, body).status_code == 400
    assert bucket.names() == []


def test_checksums_in_headers(bucket: Bucket) -> None:
    def upload(**headers: str) -> httpx.Response:
        url = f"/upload{bucket.path}/o?uploadType=media&name=o"
        return bucket.client.post(url, content=b"hello", headers=headers)

    wrong = upload(**{"x-goog-hash": "crc32c=mnG7TA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="})
    right = upload(**{"x-goog-hash": "crc32c=mnG7TA==", "content-md5": "XUFAKrxLKna5cZ2REBfFkg=="})

    assert "doesn't match calculated MD5 hash" in wrong.json()["error"]["message"]
    assert (wrong.status_code, right.status_code) == (400, 200)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"uploadType": "media"}, "required"),
        ({"uploadType": "media", "name": ""}, "required"),
        ({"uploadType": "fax", "name": "o"}, "invalid"),
        ({"name": "o"}, "invalid"),
        ({"uploadType": "media", "name": "o", "predefinedAcl": "everything"}, "invalid"),
        ({"uploadType": "resumable"}, "required"),
    ],
)
def test_what_an_upload_needs(bucket: Bucket, params: dict[str, str], reason: str) -> None:
    answer = bucket.client.post(f"/upload{bucket.path}/o", params=params)

    assert answer.status_code == 400
    assert answer.json()["error"]["errors"][0]["reason"] == reason


@pytest.mark.parametrize("kind", ["media", "multipart", "resumable"])
def test_a_bucket_that_is_not_there(bucket: Bucket, kind: str) -> None:
    """The body is read to its end: a client would take a reset for a broken network."""
    content: Any = related(b'{"name":"o"}', bytes(3_000_000)) if kind == "multipart" else b""
    answer = bucket.client.post(
        f"/upload/storage/v1/b/none-such/o?uploadType={kind}&name=o",
        content=content or (bytes(3_000_000) if kind == "media" else b""),
        headers={"content-type": "multipart/related; boundary=XX"},
    )

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "The specified bucket does not exist."


def test_what_is_said_beside_the_content(bucket: Bucket) -> None:
    document = bucket.upload(
        "o", b"x", contentEncoding="br", predefinedAcl="publicRead", projection="full"
    ).json()

    assert document["contentEncoding"] == "br"
    assert {"entity": "allUsers", "role": "READER"}.items() <= document["acl"][-1].items()


def test_a_broken_upload_never_becomes_an_object(bucket: Bucket) -> None:
    """Media uploads, with a length and chunked, cut at random bytes: the old object stays."""
    chance = random.Random(3)  # noqa: S311 content
    content = chance.randbytes(12_000_000)
    bucket.put("o", b"old")
    path = f"/upload{bucket.path}/o?uploadType=media&name=o"
    url = bucket.client.base_url
    for turn in range(12):
        cut = chance.randrange(len(content))
        chunked = turn % 2 == 0
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(content)}"
        head = f"POST {path} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n{framing}\r\n\r\n"
        body = b"%x\r\n%b" % (len(content), content[:cut]) if chunked else content[:cut]
        with socket.create_connection((url.host, url.port or 80)) as connection:
            connection.sendall(head.encode() + body)
    answer = bucket.client.get(f"{bucket.path}/o")

    assert [item["size"] for item in answer.json()["items"]] == ["3"]
    assert bucket.read("o").content == b"old"
