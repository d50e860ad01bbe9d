import asyncio
import contextlib
import io
import logging
import random
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Conflict, Forbidden, NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from emulator.identity import Identity
from emulator.storage import Door
from emulator.storage.door import serving
from emulator.storage.index import Index
from emulator.storage.memory import MemoryParts
from emulator.storage.values import Bucket as StoredBucket
from tests.storage.conftest import PROJECT, Bucket, Service

BIG = 300_000_000


@pytest.fixture
def google(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Client]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.url)
    client = storage.Client(project=PROJECT, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    yield client
    client.close()


def test_googles_client_uploads_and_downloads(google: storage.Client, bucket: Bucket) -> None:
    ours = google.bucket(bucket.name)
    content = random.Random(1).randbytes(2_000_000)  # noqa: S311 content

    ours.blob("text").upload_from_string("hello", content_type="text/x")
    chunked = ours.blob("d/chunked", chunk_size=1 << 18)
    chunked.upload_from_file(io.BytesIO(content))
    sized = ours.blob("sized", chunk_size=1 << 18)
    sized.metadata = {"k": "v"}
    sized.upload_from_file(io.BytesIO(content), size=len(content), checksum="crc32c")
    with ours.blob("written").open("wb", chunk_size=1 << 18) as file:
        for start in range(0, len(content), 300_000):
            file.write(content[start : start + 300_000])

    assert ours.blob("text").download_as_text() == "hello"
    assert ours.get_blob("text").content_type == "text/x"
    for name in ("d/chunked", "sized", "written"):
        assert ours.blob(name).download_as_bytes(checksum="crc32c") == content
    assert ours.get_blob("sized").metadata == {"k": "v"}
    assert ours.blob("sized").download_as_bytes(start=5, end=9) == content[5:10]
    with ours.blob("sized").open("rb") as file:
        file.seek(1_000_000)
        assert file.read(100) == content[1_000_000:1_000_100]


def test_googles_client_lists(google: storage.Client, bucket: Bucket) -> None:
    for name in ("a", "b/c", "b/d", "e"):
        bucket.put(name)

    pages = google.list_blobs(bucket.name, delimiter="/", page_size=1)

    assert [blob.name for blob in pages] == ["a", "e"]
    assert pages.prefixes == {"b/"}
    assert [blob.name for blob in google.list_blobs(bucket.name, match_glob="b/*")] == [
        "b/c",
        "b/d",
    ]
    assert [blob.name for blob in google.list_blobs(bucket.name, start_offset="b/d")] == [
        "b/d",
        "e",
    ]


def test_googles_client_changes_objects(google: storage.Client, bucket: Bucket) -> None:
    ours = google.bucket(bucket.name)
    first = ours.blob("first")
    first.upload_from_string(b"one", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        first.upload_from_string(b"two", if_generation_match=0)

    second = ours.copy_blob(first, ours, "second")
    whole = ours.blob("whole")
    whole.compose([first, second])
    renamed = ours.rename_blob(first, "renamed")
    target = ours.blob("target")
    token, written, total = target.rewrite(renamed)
    target.metadata = {"a": "b"}
    target.patch()
    target.make_public()

    assert whole.download_as_bytes() == b"oneone"
    assert (token, written, total) == (None, 3, 3)
    assert not first.exists()
    target.reload()
    assert target.metadata == {"a": "b"}
    assert "allUsers" in {entry["entity"] for entry in target.acl}
    renamed.delete()
    with pytest.raises(NotFound):
        renamed.reload()


def test_googles_client_handles_buckets(google: storage.Client, bucket: Bucket) -> None:
    name = f"{bucket.name}-theirs"
    made = google.create_bucket(name, location="europe-west4")
    with pytest.raises(Conflict):
        google.create_bucket(name)
    made.labels = {"team": "a"}
    made.patch()
    policy = made.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:a@b.c"}})
    made.set_iam_policy(policy)

    found = google.get_bucket(name)

    assert (found.location, found.labels) == ("EUROPE-WEST4", {"team": "a"})
    assert found.get_iam_policy().bindings[-1]["members"] == {"user:a@b.c"}
    assert found.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]
    assert name in {one.name for one in google.list_buckets()}
    assert google.get_service_account_email()
    for number in range(3):
        made.blob(f"o{number}").upload_from_string(b"")
    with google.batch():
        for number in range(2):
            made.blob(f"o{number}").delete()
    assert [blob.name for blob in made.list_blobs()] == ["o2"]
    made.delete(force=True)
    assert not made.exists()


def test_googles_client_understands_a_refusal(google: storage.Client, bucket: Bucket) -> None:
    bucket.put("o")
    google._http.headers["x-test-identity"] = '{"kind":"job","project":"other"}'  # noqa: SLF001

    with pytest.raises(Forbidden, match=r"storage\.objects\.get"):
        google.bucket(bucket.name).blob("o").reload()


def test_a_slow_upload_holds_nobody_up(bucket: Bucket) -> None:
    """fake-gcs-server alone would stop every reader until the upload is complete."""
    bucket.put("o", b"x")
    url = bucket.client.base_url
    head = (
        f"POST /upload{bucket.path}/o?uploadType=media&name=slow HTTP/1.1\r\n"
        f"Host: {url.netloc.decode()}\r\nContent-Length: 100000000\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(head.encode() + bytes(20_000_000))
        assert bucket.read("o").content == b"x"
        assert bucket.upload("p", b"y").status_code == 200
    assert bucket.names() == ["o", "p"]


def test_a_server_killed_during_uploads_and_downloads(bucket: Bucket, service: Service) -> None:
    """Nobody outside notices more than a delay."""
    content = random.Random(2).randbytes(30_000_000)  # noqa: S311 content
    bucket.put("o", content)
    failures: list[str] = []

    def check(name: str, work: Callable[[], bool]) -> None:
        if not work():
            failures.append(name)

    works = [
        threading.Thread(target=check, args=(name, work))
        for name, work in {
            "upload": lambda: bucket.upload("p", content).status_code == 200,
            "download": lambda: bucket.read("o").content == content,
        }.items()
    ]
    for work in works:
        work.start()
    for _ in range(3):
        before = service.door.fake_gcs_pid
        subprocess.run(["kill", "-9", str(before)], check=False)
        deadline = time.monotonic() + 20
        while service.door.fake_gcs_pid == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    for work in works:
        work.join()

    assert failures == []
    assert bucket.read("p").content == content


async def zeros(count: int) -> AsyncIterator[dict[str, Any]]:
    """The messages of a request's body."""
    piece = bytes(250_000)
    for left in range(count - len(piece), -1, -len(piece)):
        yield {"type": "http.request", "body": piece, "more_body": left > 0}


async def ask(door: Door, method: str, target: str, size: int = 0) -> tuple[int, int]:
    """Call the door itself; answers the status and the size of the answer."""
    messages = zeros(size) if size else None
    path, _, query = target.partition("?")
    status, got = 0, 0

    async def receive() -> dict[str, Any]:
        if messages is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        return await anext(messages)

    async def send(message: Any) -> None:
        nonlocal status, got
        status = message.get("status", status)
        got += len(message.get("body", b""))

    scope = {
        "type": "http",
        "method": method,
        "scheme": "https",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"storage.googleapis.com")],
        "identity": Identity(project=PROJECT),
    }
    await door(scope, receive, send)
    return status, got


def memory(pid: int | str = "self") -> int:
    """The resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_a_big_object_is_never_in_memory(bucket: Bucket, service: Service) -> None:
    upload = f"/upload{bucket.path}/o?uploadType=media&name=big"
    before = memory()
    highest = before
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.02):
            highest = max(highest, memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert service.call(ask(service.door, "POST", upload, BIG))[0] == 200
        answer = service.call(ask(service.door, "GET", f"/{bucket.name}/big"))
    finally:
        done.set()
        watcher.join()

    assert answer == (200, BIG)
    assert highest - before < BIG / 3
    assert memory(service.door.fake_gcs_pid) < BIG


def test_a_full_disk_is_told_in_a_way_that_is_not_retried(tmp_path: Path) -> None:
    async def main() -> None:
        log = logging.getLogger("tests.storage")
        with contextlib.closing(Index(tmp_path / "index.db")) as index:
            async with serving(index, MemoryParts(), log) as door:
                index.insert_bucket(StoredBucket("b-1", "p", 0, 0, 1, {"location": "US"}))
                upload = "/upload/storage/v1/b/b-1/o?uploadType=media&name="
                assert (await ask(door, "POST", f"{upload}before", 250_000))[0] == 200
                index._db.execute("PRAGMA max_page_count=1")  # noqa: SLF001 as a full disk does
                answers = [
                    await ask(door, "POST", f"{upload}{number:0900}", 250_000)
                    for number in range(60)
                ]
                assert answers[-1][0] == 413
                assert {status for status, _ in answers} <= {200, 413}
                index._db.execute("PRAGMA max_page_count=1000000")  # noqa: SLF001
                assert await ask(door, "GET", "/b-1/before") == (200, 250_000)
                assert (await ask(door, "POST", f"{upload}after", 250_000))[0] == 200
                refused = [at for at, (status, _) in enumerate(answers) if status == 413]
                for number in refused:
                    assert (await ask(door, "GET", f"/b-1/{number:0900}"))[0] == 404

    asyncio.run(main())
