"""Jobs at the limits of their time, where real replicas run: skipped time, and the end's grace."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from emulator import Emulator, fixtures
from emulator.rehearsal import Rehearsal

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak, pytest.mark.timeout(600)]

WAITS = """
import json, os, time
task = json.loads(os.environ["TF_CONFIG"])["task"]
print("up", task["type"], flush=True)
time.sleep(2 if task["type"] == "master" else 3600)
"""
CLUSTER: dict[str, Any] = {
    "runtime_version": "1.15",
    "scale_tier": "CUSTOM",
    "master_type": "n1-standard-4",
    "worker_type": "n1-standard-4",
    "worker_count": "1",
    "parameter_server_type": "n1-standard-4",
    "parameter_server_count": "1",
}
EVERYWHERE = pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--isolation", "none"], id="none"),
        pytest.param(["--runner", "docker"], id="docker", marks=[pytest.mark.docker]),
    ],
)


@EVERYWHERE
def test_skipped_time_begins_and_ends_a_job(options: list[str]) -> None:
    limit = {"maxRunningTime": "7200s"}
    with (
        Emulator(options=[*options, "--queue-delay", "3600"]) as emulator,
        Rehearsal(emulator) as rehearsal,
    ):
        client = rehearsal.client
        job_id = rehearsal.start(fixtures("sleeps"), runtime_version="1.15", scheduling=limit)
        assert client.job(job_id)["state"] == "QUEUED"
        client.clock.advance(hours=1)
        while "tick 0" not in rehearsal.logs(job_id):
            time.sleep(0.2)
        client.clock.advance(hours=2)
        outcome = rehearsal.wait(job_id, timeout_s=60)
    assert outcome.state == "CANCELLED", outcome.last_lines()
    assert any("longer than its maxRunningTime" in line for line in outcome.logs)
    created, started, ended = (
        datetime.fromisoformat(outcome.job[name]) for name in ("createTime", "startTime", "endTime")
    )
    assert (started - created).total_seconds() >= 3600
    assert (ended - started).total_seconds() >= 7200


@EVERYWHERE
def test_the_queue_ends_a_job_that_may_not_wait_so_long(options: list[str]) -> None:
    with Emulator(options=options) as emulator, Rehearsal(emulator) as rehearsal:
        client = rehearsal.client
        client.clock.queue_jobs(hours=1)
        limit = {"maxWaitTime": "1800s"}
        job_id = rehearsal.start(fixtures("sleeps"), runtime_version="1.15", scheduling=limit)
        client.clock.advance(seconds=1801)
        outcome = rehearsal.wait(job_id, timeout_s=60)
    assert outcome.state == "CANCELLED", outcome.last_lines()
    assert not any("tick" in line for line in outcome.logs)


@EVERYWHERE
def test_a_worker_that_only_serves_is_not_waited_for(options: list[str], tmp_path: Path) -> None:
    """The grace is longer than the test: the server is told to end, the worker found idle."""
    package = tmp_path / "waits" / "trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "task.py").write_text(WAITS)
    with (
        Emulator(options=[*options, "--end-grace", "3600"]) as emulator,
        Rehearsal(emulator) as rehearsal,
    ):
        outcome = rehearsal.submit(package.parent, **CLUSTER, timeout_s=500)
    assert outcome.state == "SUCCEEDED", outcome.last_lines()
    assert {"up master", "up worker", "up ps"} <= set(outcome.logs)
    assert any("have 3600 s to end, too: worker-replica-0" in line for line in outcome.logs)
