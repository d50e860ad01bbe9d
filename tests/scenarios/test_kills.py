"""Processes are killed at random moments; what was acknowledged is there afterwards."""

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.client import Client
from emulator.rest import Refused
from emulator.shipped import folder
from emulator.submission import Code, submit

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]

LINES = 60
COUNTING = f"""
import time
for number in range({LINES}):
    print("line", number, flush=True)
    time.sleep(0.1)
"""
VICTIMS = ("emulator", "gateway", "both")


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory outlives the emulators that use it."""
    yield tmp_path / "data"
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


@pytest.fixture
def trainer(tmp_path: Path) -> Path:
    """A package that counts slowly."""
    package = tmp_path / "counting" / "trainer"
    shutil.copytree(folder("trainer_fixtures") / "prints" / "trainer", package)
    (package / "task.py").write_text(COUNTING)
    return package


def start(data_dir: Path, grace_s: float = 60) -> Emulator:
    emulator = Emulator(data_dir, options=["--grace", str(grace_s)])
    emulator.start()
    return emulator


def job(job_id: str, bucket: str) -> dict[str, object]:
    return {
        "jobId": job_id,
        "trainingInput": {
            "region": "us-central1",
            "runtimeVersion": "2.11",
            "pythonVersion": "3.7",
            "pythonModule": "trainer.task",
            "jobDir": f"gs://{bucket}/out",
        },
    }


def kill(emulator: Emulator, victim: str) -> None:
    pids = {
        "emulator": [emulator.endpoint.pid],
        "gateway": [emulator.endpoint.gateway_pid],
        "both": [emulator.endpoint.pid, emulator.endpoint.gateway_pid],
    }[victim]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def eventually(check: Callable[[], bool], what: str, deadline_s: float = 30) -> None:
    end = time.monotonic() + deadline_s
    while not check():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.05)


def counted(client: Client, job_id: str) -> list[int]:
    return [
        int(entry.text.removeprefix("line "))
        for entry in client.entries(job_id)
        if entry.text.startswith("line ")
    ]


def of_instance(data_dir: Path) -> list[int]:
    """Processes that name this data directory on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdecimal()
                and str(data_dir).encode() in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_running_job_is_adopted_and_its_log_has_no_gap(
    data_dir: Path, trainer: Path, victim: str
) -> None:
    first = start(data_dir)
    with contextlib.ExitStack() as stack:
        stack.callback(first.stop)
        client = stack.enter_context(first.client())
        client.storage.create("kills")
        submit(client, job("counts", "kills"), Code(trainer, staging_bucket="gs://kills"))
        eventually(lambda: len(counted(client, "counts")) > 3, "the first lines", 120)
        kill(first, victim)

        if victim == "gateway":
            eventually(lambda: _answers(client), "the gateway is started again")
            survivor = first
        else:
            time.sleep(random.uniform(0, 2))  # noqa: S311 - lines appear meanwhile
            survivor = start(data_dir)
            stack.callback(survivor.stop)
        again = stack.enter_context(survivor.client())
        ended = again.wait_job("counts", timeout_s=120)

        assert ended["state"] == "SUCCEEDED", ended.get("errorMessage")
        assert counted(again, "counts") == list(range(LINES))


def _answers(client: Client) -> bool:
    try:
        client.jobs()
    except Exception:  # noqa: BLE001 - whatever a dead gateway looks like
        return False
    return True


def test_without_a_restart_nothing_is_left(data_dir: Path, trainer: Path) -> None:
    emulator = start(data_dir, grace_s=2)
    with emulator.client() as client:
        client.storage.create("kills")
        submit(client, job("orphan", "kills"), Code(trainer, staging_bucket="gs://kills"))
        eventually(lambda: len(counted(client, "orphan")) > 3, "the first lines", 120)
    kill(emulator, "emulator")

    eventually(lambda: not of_instance(data_dir), "every process has ended")
    assert str(data_dir) not in Path("/proc/self/mounts").read_text()
    emulator.stop()


def test_acknowledged_writes_are_whole_after_random_kills(data_dir: Path) -> None:
    rng = random.Random(7)  # noqa: S311 - moments, not secrets
    acknowledged: dict[str, bytes] = {}
    models: list[str] = []
    for round_number in range(6):
        emulator = start(data_dir)
        try:
            with emulator.client() as client:
                client.storage.create("whole", exist_ok=True)
                _check(client, acknowledged, models)
                deadline = time.monotonic() + rng.uniform(0.05, 1.0)
                while time.monotonic() < deadline:
                    name = f"o-{round_number}-{len(acknowledged)}"
                    content = rng.randbytes(rng.choice([0, 1, 1000, 300_000]))
                    client.storage.upload(f"gs://whole/{name}", content)
                    acknowledged[name] = content
                    model = f"m_{round_number}_{len(models)}"
                    client.create_model(model)
                    models.append(model)
                kill(emulator, rng.choice(VICTIMS))
        finally:
            emulator.stop()
    emulator = start(data_dir)
    with emulator.client() as client:
        _check(client, acknowledged, models)
    emulator.stop()


def _check(client: Client, acknowledged: dict[str, bytes], models: list[str]) -> None:
    listed = {entry["name"] for entry in client.storage.objects("gs://whole/")}
    assert set(acknowledged) <= listed
    for name, content in acknowledged.items():
        assert client.storage.download(f"gs://whole/{name}") == content
    known = {found["name"].rsplit("/", 1)[-1] for found in client.models()}
    assert set(models) <= known
    with contextlib.suppress(Refused):
        assert client.jobs() == []
