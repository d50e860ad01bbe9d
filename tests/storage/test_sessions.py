import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from emulator.storage.refusals import Refusal
from emulator.storage.sessions import Span, parse_span
from tests.storage.conftest import Bucket, Service

QUANTUM = 256 << 10
DEADLINE_S = 20


class Upload:
    """A resumable upload of a test."""

    def __init__(self, bucket: Bucket, name: str = "o", **headers: str) -> None:
        self.client = bucket.client
        answer = self.client.post(
            f"/upload{bucket.path}/o",
            params={"uploadType": "resumable", "name": name},
            headers=headers,
        )
        assert answer.status_code == 200, answer.text
        self.url = httpx.URL(answer.headers["location"])

    def put(self, content: bytes, content_range: str | None = None) -> httpx.Response:
        headers = {} if content_range is None else {"content-range": content_range}
        return self.client.put(self.url, content=content, headers=headers)

    def status(self, total: int | str = "*") -> httpx.Response:
        return self.put(b"", f"bytes */{total}")

    def begin(self, content: bytes, content_range: str, length: int) -> socket.socket:
        """Send a part of a body over a connection of its own, and leave it open."""
        head = (
            f"PUT {self.url.raw_path.decode()} HTTP/1.1\r\nHost: {self.url.netloc.decode()}\r\n"
            f"Content-Range: {content_range}\r\nContent-Length: {length}\r\n\r\n"
        )
        connection = socket.create_connection((self.url.host, self.url.port or 80))
        connection.sendall(head.encode() + content)
        return connection


def sent(answer: httpx.Response) -> int:
    """How many bytes the service says it has."""
    assert answer.status_code == 308, answer.text
    return (
        int(answer.headers["range"].removeprefix("bytes=0-")) + 1
        if "range" in answer.headers
        else 0
    )


def test_one_put_of_the_whole(bucket: Bucket) -> None:
    upload = Upload(
        bucket, "d/o", **{"x-upload-content-type": "text/x", "x-upload-content-length": "5"}
    )

    answer = upload.put(b"hello", "bytes 0-4/5")

    assert answer.status_code == 200
    assert (answer.json()["size"], answer.json()["contentType"]) == ("5", "text/x")
    assert bucket.read("d/o").content == b"hello"
    assert upload.status(5).json() == answer.json()  # also when it is asked late
    assert upload.put(b"hello", "bytes 0-4/5").json() == answer.json()


@pytest.mark.parametrize("content_range", [None, "bytes */0"])
def test_an_empty_object(bucket: Bucket, content_range: str | None) -> None:
    assert Upload(bucket).put(b"", content_range).status_code == 200
    assert bucket.stat("o").json()["size"] == "0"


def test_a_status_query_commits_nothing(bucket: Bucket) -> None:
    """What loses data where fake-gcs-server is asked (TensorFlow asks after a broken PUT)."""
    upload = Upload(bucket)

    assert sent(upload.status(1000)) == 0
    assert sent(upload.status()) == 0
    assert bucket.stat("o").status_code == 404
    assert upload.put(b"x" * 1000, "bytes 0-999/1000").status_code == 200
    assert bucket.read("o").content == b"x" * 1000


def test_chunks_of_a_known_and_of_an_unknown_length(bucket: Bucket) -> None:
    content = random.Random(1).randbytes(3 * QUANTUM + 7)  # noqa: S311 content
    for name, total in (("known", str(len(content))), ("unknown", "*")):
        upload = Upload(bucket, name)
        for start in range(0, 3 * QUANTUM, QUANTUM):
            answer = upload.put(
                content[start : start + QUANTUM], f"bytes {start}-{start + QUANTUM - 1}/{total}"
            )
            assert sent(answer) == start + QUANTUM
            assert bucket.stat(name).status_code == 404
        last = f"bytes {3 * QUANTUM}-{len(content) - 1}/{len(content)}"
        assert upload.put(content[3 * QUANTUM :], last).status_code == 200
        assert bucket.read(name).content == content


def test_an_upload_of_unknown_length_ends_with_its_length(bucket: Bucket) -> None:
    upload = Upload(bucket)
    upload.put(b"x" * QUANTUM, f"bytes 0-{QUANTUM - 1}/*")

    assert upload.status(QUANTUM).status_code == 200
    assert bucket.stat("o").json()["size"] == str(QUANTUM)


def test_bytes_that_are_sent_again_count_once(bucket: Bucket) -> None:
    upload = Upload(bucket)
    upload.put(b"abcdef", "bytes 0-5/10")

    assert upload.put(b"cdefghij", "bytes 2-9/10").status_code == 200
    assert bucket.read("o").content == b"abcdefghij"


def test_a_gap_is_refused_and_harms_nothing(bucket: Bucket) -> None:
    upload = Upload(bucket)
    upload.put(b"abc", "bytes 0-2/10")

    answer = upload.put(b"hij", "bytes 7-9/10")

    assert answer.status_code == 503
    assert "exceeds already uploaded size of 3 byte(s)" in answer.json()["error"]["message"]
    assert sent(upload.status(10)) == 3
    assert upload.put(b"defghij", "bytes 3-9/10").status_code == 200


@pytest.mark.parametrize(
    ("content", "content_range"),
    [
        (b"abcd", "bytes 0-2/10"),
        (b"", "pages 1-2"),
        (b"abc", "bytes 0-2/11"),
        (b"a", "bytes 3-2/10"),
    ],
)
def test_nonsense_is_refused(bucket: Bucket, content: bytes, content_range: str) -> None:
    upload = Upload(bucket, **{"x-upload-content-length": "10"})

    assert upload.put(content, content_range).status_code == 400
    assert bucket.stat("o").status_code == 404


def test_a_broken_put_at_any_byte_goes_on_from_there(bucket: Bucket) -> None:
    """As TensorFlow does it: a PUT of the whole, a question, the rest."""
    chance = random.Random(7)  # noqa: S311 content
    content = chance.randbytes(9_000_000)
    for turn in range(5):
        name = f"o{turn}"
        upload = Upload(bucket, name)
        start = 0
        for breaks in (2, 1, 0):
            cut = chance.randrange(start, len(content)) if breaks else len(content)
            total = f"bytes {start}-{len(content) - 1}/{len(content)}"
            connection = upload.begin(content[start:cut], total, len(content) - start)
            with connection:
                if not breaks:
                    assert connection.recv(100).startswith(b"HTTP/1.1 200")
                    break
            assert bucket.stat(name).status_code == 404
            start = sent(upload.status(len(content)))
            assert start <= cut
        assert bucket.read(name).content == content


def test_a_hanging_put_gives_way_to_a_question(bucket: Bucket) -> None:
    """The old connection may be dead without anybody having said so."""
    upload = Upload(bucket)
    deadline = time.monotonic() + DEADLINE_S
    while not _taken_from_hanging(upload):
        assert time.monotonic() < deadline

    assert bucket.read("o").content == b"x" * 1000 + b"y" * 1000


def _taken_from_hanging(upload: Upload) -> bool:
    """False where the question came before a byte was read: the PUT has given way for nothing."""
    with upload.begin(b"x" * 1000, "bytes 0-1999/2000", 2000):
        patience = time.monotonic() + 1
        while sent(upload.status(2000)) < 1000:  # the connection may not be accepted yet
            if time.monotonic() > patience:
                return False
        return upload.put(b"y" * 1000, "bytes 1000-1999/2000").status_code == 200


def test_an_upload_that_is_given_up(bucket: Bucket) -> None:
    upload = Upload(bucket)
    upload.put(b"abc", "bytes 0-2/10")

    assert upload.client.delete(upload.url).status_code == 499
    assert upload.status(10).status_code == 404
    assert upload.put(b"defghij", "bytes 3-9/10").status_code == 404
    assert bucket.stat("o").status_code == 404


def test_preconditions_hold_at_the_end_too(bucket: Bucket) -> None:
    path = f"/upload{bucket.path}/o?uploadType=resumable&name=o&ifGenerationMatch=0"
    first = bucket.client.post(path)
    bucket.put("o", b"somebody was faster")

    assert bucket.client.post(path).status_code == 412
    assert bucket.client.put(first.headers["location"], content=b"x").status_code == 412
    assert bucket.client.put(first.headers["location"], content=b"x").status_code == 404
    assert bucket.read("o").content == b"somebody was faster"


def test_checksums_are_checked(bucket: Bucket) -> None:
    answer = bucket.client.post(
        f"/upload{bucket.path}/o?uploadType=resumable",
        json={"name": "o", "crc32c": "AAAAAA==", "metadata": {"a": "b"}},
    )

    refused = bucket.client.put(answer.headers["location"], content=b"hello")

    assert refused.status_code == 400
    assert 'Provided CRC32C "AAAAAA==" doesn\'t match' in refused.json()["error"]["message"]
    assert bucket.stat("o").status_code == 404


def test_the_location_has_the_host_and_the_scheme_of_the_client(bucket: Bucket) -> None:
    answer = bucket.client.post(
        f"/resumable/upload{bucket.path}/o?uploadType=resumable&name=a%2Bb",
        headers={"host": "www.googleapis.com"},
    )

    assert answer.headers["location"].startswith(
        f"http://www.googleapis.com/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=a%2Bb&"
    )


def test_a_post_to_the_location_goes_on_too(bucket: Bucket) -> None:
    """As gcsfs does it."""
    upload = Upload(bucket)

    answer = upload.client.post(
        upload.url, content=b"abc", headers={"content-range": "bytes 0-2/3"}
    )

    assert answer.status_code == 200


@pytest.fixture
def restarted(tmp_path: Path, fake_gcs_server: Path) -> Iterator[tuple[Bucket, Upload]]:
    """A bucket and a half-done upload of a service that was started again."""
    with (
        Service(tmp_path, fake_gcs_server) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        client.post("/storage/v1/b", params={"project": "p"}, json={"name": "b-1"})
        upload = Upload(Bucket(client, "b-1"))
        upload.put(b"x" * 300_000, "bytes 0-299999/*")
    with (
        Service(tmp_path, fake_gcs_server) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        upload.client = client
        upload.url = upload.url.copy_with(port=service.port)
        yield Bucket(client, "b-1"), upload


def test_an_upload_survives_a_restart(restarted: tuple[Bucket, Upload]) -> None:
    bucket, upload = restarted

    assert sent(upload.status()) == 300_000
    answer = upload.put(b"y" * 100, "bytes 300000-300099/300100")

    assert answer.status_code == 200
    assert bucket.read("o").content == b"x" * 300_000 + b"y" * 100
    assert answer.json()["md5Hash"] == bucket.put("same", b"x" * 300_000 + b"y" * 100)["md5Hash"]


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, Span()),
        ("bytes 0-9/10", Span(0, 10, 10)),
        ("bytes 5-9/*", Span(5, 10, None)),
        ("bytes */10", Span(0, None, 10, has_bytes=False)),
        ("bytes */*", Span(0, None, None, has_bytes=False)),
    ],
)
def test_content_ranges(header: str | None, span: Span) -> None:
    assert parse_span(header) == span


@pytest.mark.parametrize("header", ["", "bytes", "bytes 1-2", "bytes 0-9/9", "bytes -1/3"])
def test_content_ranges_without_sense(header: str) -> None:
    with pytest.raises(Refusal, match="Invalid Content-Range"):
        parse_span(header)
