"""Trainers under faults: what they lose, what they keep, and what their logs say."""

import re
from pathlib import Path
from typing import Any

import pytest

from emulator import Emulator, fixtures
from emulator.injection import Injection
from emulator.outcome import Outcome
from emulator.rehearsal import Rehearsal

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]

FILLS = """
import errno
import time

try:
    with open("large", "wb") as file:
        for _ in range(8):
            file.write(b"x" * (1 << 20))
            file.flush()
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    raise SystemExit("no space left")
time.sleep(60)
"""
CLUSTER: dict[str, Any] = {
    "scale_tier": "CUSTOM",
    "master_type": "n1-standard-4",
    "worker_type": "n1-standard-4",
    "worker_count": "1",
}


def steps(outcome: Outcome) -> list[int]:
    return [
        int(found)
        for found in re.findall(r", step = (\d+)$", "\n".join(outcome.logs), re.MULTILINE)
    ]


def test_without_checkpoints_training_begins_anew(cmle_faults: Injection, cmle_submit: Any) -> None:
    fault = cmle_faults.preempt(at_step=30, grace_s=0)
    outcome = cmle_submit(fixtures("resumes_plain"), ["--checkpoint-steps=0", "--steps=60"])
    assert outcome.state == "SUCCEEDED", outcome.last_lines()
    assert outcome.logs.count("starting from scratch") == 2
    assert steps(outcome).count(1) == 2
    assert cmle_faults.struck(fault) == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--isolation", "none"], id="none"),
        pytest.param(["--runner", "docker"], id="docker", marks=[pytest.mark.docker]),
    ],
)
@pytest.mark.soak
def test_a_worker_is_preempted_and_its_job_goes_on(options: list[str]) -> None:
    with Emulator(options=options) as emulator, Rehearsal(emulator) as rehearsal:
        rehearsal.client.faults.preempt(replica="worker-0", at_text="^tick 20$", grace_s=1)
        outcome = rehearsal.submit(
            fixtures("sleeps"), ["--seconds=8"], runtime_version="1.15", **CLUSTER
        )
    assert outcome.state == "SUCCEEDED", outcome.last_lines()
    of_worker = [it.text for it in outcome.entries if it.task == "worker-replica-0"]
    of_master = [it.text for it in outcome.entries if it.task == "master-replica-0"]
    assert of_worker.count("tick 0") == 2
    assert of_master.count("tick 0") == 1
    assert "The replica worker 0 ended (signal 15) and is restarted (1)." in outcome.logs


@pytest.mark.soak
def test_a_trainer_meets_a_full_disk(
    cmle_faults: Injection, cmle_submit: Any, tmp_path: Path
) -> None:
    package = tmp_path / "filling" / "trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "task.py").write_text(FILLS)
    cmle_faults.full_disk(1 << 20)
    outcome = cmle_submit(package.parent)
    assert outcome.state == "FAILED"
    assert "exited with a non-zero status of" in outcome.error_message
    assert any("has room for 1048576 bytes (full-disk-" in line for line in outcome.logs)
