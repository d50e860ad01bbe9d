"""Uploads that break off: the rest comes, or nothing is left of them."""

import contextlib
import hashlib
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator import Emulator
from emulator.client import Client
from tests.conformance.upload_faults.conftest import (
    API,
    PART,
    Broken,
    Fault,
    TensorFlow,
    close,
    on_disk,
    reset,
    until,
)

pytestmark = pytest.mark.timeout(300)

LAG = 2 << 20  # bytes that the gateway has and the storage does not, when it is interrupted
WEEK_US = 7 * 24 * 3600 * 1_000_000
SIZES = st.one_of(
    st.integers(0, 100_000),
    st.integers(PART - 2, PART + 2),
    st.integers(2 * PART - 2, 2 * PART + 100_000),
)
PLACES = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0.0, 1.0, 2.0]),  # nothing sent; all but the body's end; all but the answer
)
KINDS = st.sampled_from(["close", "reset", "hang"])


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - contents, not secrets


def check(client: Client, uri: str, content: bytes) -> None:
    (found,) = client.storage.objects(uri)
    assert found["size"] == str(len(content))
    stored = client.storage.download(uri)
    assert hashlib.sha256(stored).digest() == hashlib.sha256(content).digest()


@settings(max_examples=25, deadline=None)
@given(size=SIZES, breaks=st.lists(st.tuples(PLACES, KINDS), min_size=1, max_size=3))
def test_what_breaks_off_goes_on_until_it_is_whole(
    emulator: Emulator, tensorflow: TensorFlow, size: int, breaks: list[tuple[float, str]]
) -> None:
    content, start, complete = noise(size, seed=len(breaks)), 0, False
    uri = f"gs://faults/broken/{time.monotonic_ns()}"
    acts = {"close": close, "reset": reset, "hang": tensorflow.hang}
    with emulator.client() as client:
        location = tensorflow.start(uri, size)
        for place, kind in breaks:
            left = size - start
            after = left + 1 if place > 1 else int(place * left)
            with pytest.raises(Broken):
                tensorflow.put(location, content, start, Fault(after, acts[kind]))
            answer = tensorflow.status(location, size)
            if answer.status == 200:
                assert after >= left
                complete = True
                break
            assert answer.status == 308
            assert start <= answer.received <= start + after
            if kind == "close":
                assert answer.received >= start + after - LAG
            assert not client.storage.exists(uri)
            start = answer.received
        if not complete:
            assert tensorflow.put(location, content, start).status == 200

        check(client, uri, content)
        assert tensorflow.status(location, size).status == 200  # asked again, it says so again
        client.storage.delete(uri)


def test_the_rule_of_retries_ends_with_a_whole_object(
    emulator: Emulator, tensorflow: TensorFlow
) -> None:
    content = noise(3 * PART + 12345)
    faults = [Fault(5, close), Fault(PART, reset), Fault(PART + 77, tensorflow.hang)]
    story = tensorflow.upload("gs://faults/rule", content, faults)

    assert story == ["broken 308"] * 3 + ["200"]
    with emulator.client() as client:
        check(client, "gs://faults/rule", content)
        client.storage.delete("gs://faults/rule")


def test_the_old_content_stays_until_the_new_is_whole(
    emulator: Emulator, tensorflow: TensorFlow
) -> None:
    uri, old, new = "gs://faults/kept", noise(50_000, 1), noise(PART + 50_000, 2)
    tensorflow.upload(uri, old)
    location = tensorflow.start(uri, len(new))
    with pytest.raises(Broken):
        tensorflow.put(location, new, 0, Fault(PART + 10, reset))
    with emulator.client() as client:
        check(client, uri, old)
        start = tensorflow.status(location, len(new)).received
        check(client, uri, old)
        assert tensorflow.put(location, new, start).status == 200
        check(client, uri, new)
        client.storage.delete(uri)


def test_bytes_sent_again_are_taken_once(emulator: Emulator, tensorflow: TensorFlow) -> None:
    """A client that does not believe the Range begins earlier than it has to."""
    uri, content = "gs://faults/again", noise(PART + 50_000)
    location = tensorflow.start(uri, len(content))
    with pytest.raises(Broken):
        tensorflow.put(location, content, 0, Fault(PART + 40_000, close))
    assert tensorflow.status(location, len(content)).received >= PART + 40_000 - LAG
    assert tensorflow.put(location, content, 1000).status == 200
    with emulator.client() as client:
        check(client, uri, content)
        client.storage.delete(uri)


def test_a_gap_is_not_taken(tensorflow: TensorFlow) -> None:
    content = noise(1000)
    location = tensorflow.start("gs://faults/gap", len(content))
    assert tensorflow.put(location, content, 500).status == 503
    assert tensorflow.status(location, len(content)).received == 0
    assert tensorflow.put(location, content).status == 200


def test_an_upload_that_is_called_off_leaves_nothing(tmp_path: Path) -> None:
    with _emulator(tmp_path) as (emulator, client, tensorflow):
        location = _abandon(tensorflow, "gs://faults/off", 2 * PART + 5)
        assert on_disk(emulator.data_dir) > PART  # what came is kept for the client's return
        assert tensorflow.ask("DELETE", location, {"Content-Length": "0"}).status == 499
        assert tensorflow.status(location, 2 * PART + 5).status == 404
        assert list(client.storage.objects("gs://faults/")) == []
        until(lambda: on_disk(emulator.data_dir) == 0, "no blob is left")


def test_an_upload_of_one_request_leaves_nothing(tmp_path: Path) -> None:
    target = f"https://{API}/upload/storage/v1/b/faults/o?uploadType=media&name={quote('a/b')}"
    content, headers = noise(3 * PART), {"Content-Length": f"{3 * PART}"}
    with _emulator(tmp_path) as (emulator, client, tensorflow):
        for fault in (Fault(PART + 5, close), Fault(2 * PART + 5, reset)):
            with pytest.raises(Broken):
                tensorflow.ask("POST", target, headers, [content[: fault.after], fault])
        assert list(client.storage.objects("gs://faults/")) == []
        until(lambda: on_disk(emulator.data_dir) == 0, "no blob is left")


def test_a_client_that_never_comes_back_leaves_nothing(tmp_path: Path) -> None:
    with _emulator(tmp_path) as (emulator, client, tensorflow):
        location = _abandon(tensorflow, "gs://faults/lost", 2 * PART + 5)
        assert list(client.storage.objects("gs://faults/")) == []
        assert on_disk(emulator.data_dir) > PART
    _age(tmp_path / "storage" / "index.db", WEEK_US - 3600 * 1_000_000)
    with _emulator(tmp_path) as (emulator, _, tensorflow):
        assert tensorflow.status(location, 2 * PART + 5).received > PART  # a restart is no end
    _age(tmp_path / "storage" / "index.db", WEEK_US + 1)
    with _emulator(tmp_path) as (emulator, client, tensorflow):
        until(lambda: on_disk(emulator.data_dir) == 0, "no blob is left")
        assert tensorflow.status(location, 2 * PART + 5).status == 404
        assert list(client.storage.objects("gs://faults/")) == []


def _abandon(tensorflow: TensorFlow, uri: str, size: int) -> str:
    """Begin an upload and break it off in its second part."""
    location = tensorflow.start(uri, size)
    with pytest.raises(Broken):
        tensorflow.put(location, noise(size), 0, Fault(PART + PART // 2, close))
    assert tensorflow.status(location, size).received >= PART + PART // 2 - LAG
    return location


def _age(index: Path, microseconds: int) -> None:
    """Let time have passed since anybody touched an upload."""
    with contextlib.closing(sqlite3.connect(index)) as database, database:
        now = time.time_ns() // 1000
        database.execute("UPDATE sessions SET touched = ?", (now - microseconds,))


@contextlib.contextmanager
def _emulator(data_dir: Path) -> Iterator[tuple[Emulator, Client, TensorFlow]]:
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(Emulator(data_dir))
        client = stack.enter_context(emulator.client())
        client.storage.create("faults", exist_ok=True)
        endpoint = emulator.endpoint
        tensorflow = TensorFlow(endpoint.port, endpoint.ca_path)
        stack.callback(tensorflow.close)
        yield emulator, client, tensorflow
