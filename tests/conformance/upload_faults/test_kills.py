"""Uploads through processes that die under them end as whole objects all the same."""

import contextlib
import hashlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator import Emulator
from tests.conformance.upload_faults.conftest import (
    PART,
    Broken,
    Fault,
    TensorFlow,
    close,
    gateway,
    on_disk,
    until,
)

pytestmark = pytest.mark.timeout(300)

SIZE = 4 * PART + 4321


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Emulator, TensorFlow]]:
    """An emulator of the test's own, so that all bytes on its disk are the test's."""
    with Emulator(tmp_path) as emulator:
        with emulator.client() as client:
            client.storage.create("kills")
        endpoint = emulator.endpoint
        with contextlib.closing(TensorFlow(endpoint.port, endpoint.ca_path)) as tensorflow:
            yield emulator, tensorflow


def noise(seed: int, size: int = SIZE) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - contents, not secrets


def check(emulator: Emulator, uri: str, content: bytes) -> None:
    """The object is whole, nothing else is on the disk, and with it all of that goes."""
    with emulator.client() as client:
        (found,) = client.storage.objects("gs://kills/")
        assert found["size"] == str(len(content))
        stored = client.storage.download(uri)
        assert hashlib.sha256(stored).digest() == hashlib.sha256(content).digest()
        until(lambda: on_disk(emulator.data_dir) == len(content), "no orphan is left")
        client.storage.delete(uri)
        until(lambda: on_disk(emulator.data_dir) == 0, "no blob is left")


def kill(pid: Callable[[], int]) -> Callable[[object], None]:
    """The client goes on sending; what it notices is its own affair."""

    def act(_: object) -> None:
        os.kill(pid(), signal.SIGKILL)

    return act


def gateway_pid(emulator: Emulator) -> int:
    return int(gateway(emulator)["pid"])


def storage_pid(emulator: Emulator) -> int:
    return int(gateway(emulator)["fake_gcs_pid"])


def test_an_upload_outlives_the_gateway_that_opened_it(own: tuple[Emulator, TensorFlow]) -> None:
    emulator, tensorflow = own
    content = noise(1)
    location = tensorflow.start("gs://kills/between", SIZE)
    first = gateway_pid(emulator)
    os.kill(first, signal.SIGKILL)
    until(lambda: gateway_pid(emulator) != first, "the gateway is started again")

    assert tensorflow.status(location, SIZE).received == 0
    assert tensorflow.put(location, content).status == 200
    check(emulator, "gs://kills/between", content)


def test_what_was_acknowledged_outlives_the_gateway(own: tuple[Emulator, TensorFlow]) -> None:
    emulator, tensorflow = own
    content = noise(2)
    location = tensorflow.start("gs://kills/halves", SIZE)
    with pytest.raises(Broken):
        tensorflow.put(location, content, 0, Fault(2 * PART + 99, close))
    acknowledged = tensorflow.status(location, SIZE).received
    assert acknowledged > 0
    first = gateway_pid(emulator)
    os.kill(first, signal.SIGKILL)
    until(lambda: gateway_pid(emulator) != first, "the gateway is started again")

    assert tensorflow.status(location, SIZE).received == acknowledged
    assert tensorflow.put(location, content, acknowledged).status == 200
    check(emulator, "gs://kills/halves", content)


@pytest.mark.parametrize("seed", range(4))
def test_a_gateway_killed_in_the_middle(own: tuple[Emulator, TensorFlow], seed: int) -> None:
    emulator, tensorflow = own
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    content = noise(seed)
    with emulator.client() as client:
        faults = [
            Fault(rng.randrange(SIZE), kill(lambda: gateway_pid(emulator)))
            for _ in range(rng.randint(1, 2))
        ]
        story = tensorflow.upload("gs://kills/middle", content, faults)
        assert "broken" in story[0]
        assert story[-1].endswith("200")
        assert client.call("GET", "projects/cmle-project/jobs") == {}  # the API is there again
    check(emulator, "gs://kills/middle", content)


@pytest.mark.parametrize("seed", range(4))
def test_fake_gcs_server_killed_in_the_middle(own: tuple[Emulator, TensorFlow], seed: int) -> None:
    emulator, tensorflow = own
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    content = noise(seed)
    first = storage_pid(emulator)
    fault = Fault(rng.randrange(SIZE), kill(lambda: storage_pid(emulator)))
    story = tensorflow.upload("gs://kills/storage", content, [fault])

    assert story[-1].endswith("200")
    assert storage_pid(emulator) != first
    check(emulator, "gs://kills/storage", content)


def test_reading_goes_on_over_the_death_of_fake_gcs_server(
    own: tuple[Emulator, TensorFlow],
) -> None:
    emulator, tensorflow = own
    content = noise(9)
    tensorflow.upload("gs://kills/read", content)
    os.kill(storage_pid(emulator), signal.SIGKILL)
    check(emulator, "gs://kills/read", content)


def test_both_die_and_the_client_leaves(own: tuple[Emulator, TensorFlow]) -> None:
    """Nothing is left of an upload whose session died unacknowledged, but the session."""
    emulator, tensorflow = own
    location = tensorflow.start("gs://kills/both", SIZE)
    pids = (storage_pid(emulator), gateway_pid(emulator))

    def both(_: object) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        raise Broken("everything died")

    with pytest.raises(OSError):  # noqa: PT011 - as it comes
        tensorflow.put(location, noise(3), 0, Fault(3 * PART, both))
    until(lambda: gateway_pid(emulator) != pids[1], "the gateway is started again")
    with emulator.client() as client:
        assert list(client.storage.objects("gs://kills/")) == []
    received = tensorflow.status(location, SIZE).received
    until(lambda: on_disk(emulator.data_dir) == received, "no orphan is left")
