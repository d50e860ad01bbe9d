"""requests, and google-cloud-storage on top of it."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from emulator.testing import Fault, fake_service, intercept, unavailable

STORAGE = "https://storage.googleapis.com"
UPLOAD = f"{STORAGE}/upload/storage/v1/b/my-bucket/o?uploadType=media&name=x"
SCRIPT = fake_service(buckets=["my-bucket"])


def client() -> storage.Client:
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return storage.Client("p1", credentials=anonymous)


@pytest.mark.parametrize("form", ["bytes", "text", "file", "pieces"])
def test_takes_every_form_of_a_body(form: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"con"
        yield b"tent"

    bodies: dict[str, Any] = {
        "bytes": b"content",
        "text": "content",
        "file": io.BytesIO(b"content"),
        "pieces": pieces(),
    }
    with intercept(SCRIPT), requests.Session() as session:
        assert session.post(UPLOAD, data=bodies[form], timeout=5).json()["size"] == "7"
        assert session.get(f"{STORAGE}/my-bucket/x", timeout=5).content == b"content"


def test_a_session_from_before_the_block_is_answered() -> None:
    with requests.Session() as session, intercept(SCRIPT):
        answer = session.get(f"{STORAGE}/storage/v1/b/my-bucket", timeout=5, stream=True)
        assert answer.raw.read().startswith(b"{")


def test_responses_of_ones_own_still_answer_elsewhere() -> None:
    with responses.RequestsMock() as mine:
        mine.get("https://example.com/x", body="mine")
        with intercept(SCRIPT):
            assert requests.get("https://example.com/x", timeout=5).text == "mine"
            assert requests.get(f"{STORAGE}/storage/v1/b/my-bucket", timeout=5).ok


def test_google_cloud_storage_works_unchanged() -> None:
    with intercept(SCRIPT):
        bucket = client().create_bucket("another-bucket")
        blob = bucket.blob("folder/a b.txt")
        blob.upload_from_string("text", content_type="text/plain")
        large = bucket.blob("large", chunk_size=1 << 18)
        large.upload_from_file(io.BytesIO(b"x" * 1_000_000))  # resumable, in four pieces
        assert [found.name for found in client().list_blobs(bucket)] == ["folder/a b.txt", "large"]
        assert bucket.blob("folder/a b.txt").download_as_text() == "text"
        assert bucket.blob("large").download_as_bytes(start=10, end=19) == b"x" * 10
        bucket.copy_blob(blob, bucket, "copied")
        with pytest.raises(PreconditionFailed):
            blob.upload_from_string("again", if_generation_match=0)
        bucket.delete_blobs([blob, large, bucket.blob("copied")])
        with pytest.raises(NotFound):
            blob.download_as_bytes()
        bucket.delete()


def test_retries_of_google_cloud_storage_take_no_time() -> None:
    faults = {"GET /storage/v1/b/my-bucket/*": Fault(unavailable(), times=4)}
    with intercept(fake_service(buckets=["my-bucket"], faults=faults)) as cloud:
        assert list(client().list_blobs("my-bucket")) == []
        listings = [seen.status for seen in cloud.requests if "/my-bucket/o?" in seen.url]
        assert listings == [503] * 4 + [200]
        assert cloud.clock.elapsed > 0
