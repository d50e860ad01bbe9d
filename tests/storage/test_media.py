import gzip
import random

import pytest

from emulator.storage.blobs import PART
from tests.storage.conftest import Bucket

TEXT = b"one two three " * 1000


def test_an_object_with_its_headers(bucket: Bucket) -> None:
    document = bucket.put("o", b"hello")
    bucket.client.patch(
        bucket.object_path("o"),
        json={
            "cacheControl": "no-store",
            "contentDisposition": "attachment",
            "contentLanguage": "en",
            "metadata": {"Key": "välue", "no header name": "x"},
        },
    )

    headers = bucket.read("o").headers

    assert headers["content-type"] == "text/plain"
    assert headers["content-length"] == "5"
    assert headers["x-goog-generation"] == document["generation"]
    assert headers["x-goog-metageneration"] == "2"
    assert headers["x-goog-hash"] == "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="
    assert headers["x-goog-stored-content-length"] == "5"
    assert headers["cache-control"] == "no-store"
    assert headers["content-disposition"] == "attachment"
    assert headers["content-language"] == "en"
    assert headers["x-goog-meta-key"] == "v%C3%A4lue"
    assert headers["last-modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("asked", "got", "told"),
    [
        ("bytes=0-4", b"01234", "bytes 0-4/10"),
        ("bytes=0-67108863", b"0123456789", "bytes 0-9/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
    ],
)
def test_ranges(bucket: Bucket, asked: str, got: bytes, told: str) -> None:
    bucket.put("o", b"0123456789")

    for answer in (
        bucket.read("o", range=asked),
        bucket.xml("GET", f"/{bucket.name}/o", range=asked),
    ):
        assert (answer.status_code, answer.content) == (206, got)
        assert answer.headers["content-range"] == told
        assert answer.headers["content-length"] == str(len(got))


@pytest.mark.parametrize("asked", ["bytes=3-1", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,4-5"])
def test_ranges_without_sense_are_ignored(bucket: Bucket, asked: str) -> None:
    bucket.put("o", b"0123456789")

    answer = bucket.read("o", range=asked)

    assert (answer.status_code, answer.content) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("content", "asked"), [(b"0123", "bytes=4-"), (b"0123", "bytes=-0"), (b"", "bytes=0-9")]
)
def test_ranges_behind_the_end(bucket: Bucket, content: bytes, asked: str) -> None:
    bucket.put("o", content)

    assert bucket.read("o", range=asked).status_code == 416
    xml = bucket.xml("GET", f"/{bucket.name}/o", range=asked)
    assert (xml.status_code, b"InvalidRange" in xml.content) == (416, True)


def test_ranges_across_parts(bucket: Bucket) -> None:
    content = random.Random(5).randbytes(2 * PART + 12345)  # noqa: S311 content
    bucket.put("o", content)

    for start, end in (
        (0, len(content)),
        (PART - 1, PART + 1),
        (PART, 2 * PART),
        (2 * PART - 10, len(content)),
        (5, 2 * PART + 5),
    ):
        answer = bucket.read("o", range=f"bytes={start}-{end - 1}")
        assert answer.content == content[start:end]


def test_a_compressed_object_is_decompressed_for_who_does_not_take_it(bucket: Bucket) -> None:
    packed = gzip.compress(TEXT[:7000]) + gzip.compress(TEXT[7000:])
    bucket.upload("o", packed, contentEncoding="gzip")

    plain = bucket.read("o", **{"accept-encoding": "identity", "range": "bytes=0-3"})
    stored = bucket.read("o", **{"accept-encoding": "gzip"})
    part = bucket.xml(
        "GET", f"/{bucket.name}/o", **{"accept-encoding": "gzip;q=0.5", "range": "bytes=0-1"}
    )

    assert (plain.status_code, plain.content) == (200, TEXT)
    assert "content-encoding" not in plain.headers
    assert plain.headers["x-goog-stored-content-encoding"] == "gzip"
    assert plain.headers["x-goog-stored-content-length"] == str(len(packed))
    assert stored.headers["content-encoding"] == "gzip"
    assert stored.headers["content-length"] == str(len(packed))
    assert (part.status_code, part.headers["content-length"]) == (206, "2")
    for refusal in ("gzip;q=0", "br"):
        assert bucket.read("o", **{"accept-encoding": refusal}).content == TEXT


def test_what_must_not_be_transformed_is_not(bucket: Bucket) -> None:
    bucket.upload("o", gzip.compress(TEXT), contentEncoding="gzip")
    bucket.client.patch(bucket.object_path("o"), json={"cacheControl": "no-transform"})

    answer = bucket.read("o", **{"accept-encoding": "identity"})

    assert answer.headers["content-encoding"] == "gzip"


def test_what_is_not_compressed_though_it_says_so(bucket: Bucket) -> None:
    bucket.upload("o", b"plain text", contentEncoding="gzip")

    assert bucket.read("o", **{"accept-encoding": "identity"}).content == b"plain text"


def test_preconditions_of_http_and_of_the_service(bucket: Bucket) -> None:
    generation = bucket.put("o", b"x")["generation"]
    tag = bucket.read("o").headers["etag"]

    assert bucket.read("o", **{"if-none-match": tag}).status_code == 304
    assert bucket.read("o", **{"if-none-match": '"other"'}).status_code == 200
    assert bucket.read("o", **{"if-match": '"other"'}).status_code == 412
    assert bucket.read("o", **{"if-match": f'"other", {tag}'}).status_code == 200
    wrong = bucket.xml("GET", f"/{bucket.name}/o", **{"x-goog-if-generation-match": "1"})
    assert (wrong.status_code, b"PreconditionFailed" in wrong.content) == (412, True)
    right = {"x-goog-if-generation-match": generation}
    assert bucket.xml("GET", f"/{bucket.name}/o", **right).status_code == 200


def test_an_empty_object(bucket: Bucket) -> None:
    bucket.put("o")

    answer = bucket.read("o")

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


def test_a_head_has_no_body(bucket: Bucket) -> None:
    bucket.put("o", b"hello")

    answer = bucket.client.head(bucket.object_path("o"), params={"alt": "media"})

    assert (answer.content, answer.headers["content-length"]) == (b"", "5")


def test_an_object_that_is_overwritten_is_read_to_its_end(bucket: Bucket) -> None:
    """Its bytes stay until the last reader has gone."""
    old = random.Random(6).randbytes(3 * PART)  # noqa: S311 content
    bucket.put("o", old)
    url = f"/download{bucket.object_path('o')}"
    with bucket.client.stream("GET", url, params={"alt": "media"}) as answer:
        pieces = answer.iter_bytes(65536)
        first = next(pieces)
        bucket.put("o", b"new")
        assert first + b"".join(pieces) == old
    assert bucket.read("o").content == b"new"
