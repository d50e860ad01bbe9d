from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from emulator import lifecycle
from emulator.cluster import Exit, Ref
from emulator.ends import Standing
from emulator.ledger import Ledger, Private, read_private
from emulator.lifecycle import Failure
from emulator.logs import Logs
from emulator.plan import MASTER
from emulator.projects import Projects
from emulator.resources import Job
from emulator.states import JobState
from emulator.store import Store
from emulator.timelines import Timelines

NAME = "projects/p/jobs/j"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    now = BEGIN.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    store, logs = Store(tmp_path / "db"), Logs(tmp_path / "logs")
    yield Ledger(store, logs, Projects("p", ""), Timelines(store, clock))
    logs.close()
    store.close()


def running(ledger: Ledger, **private: float) -> None:
    ledger.enter(NAME, Job(job_id="j"), Private("p", **private))  # type: ignore[arg-type]
    for state in (JobState.PREPARING, JobState.RUNNING):
        ledger.move(NAME, state)


def messages(ledger: Ledger) -> list[str]:
    spans = ledger.logs.spans("p", "j")
    return [it.message for span in spans for it in ledger.logs.entries("p", "j", span)]


def test_units_are_those_of_the_job_s_machines(ledger: Ledger, clock: Clock) -> None:
    running(ledger, units_per_hour=4.0571)
    clock.now += 1800
    ledger.succeed(NAME)
    job, _ = ledger.load(NAME)
    assert job.training_output is not None
    assert job.training_output.consumed_ml_units == 2.03
    assert messages(ledger) == ["Job completed successfully."]


def test_every_failed_replica_has_its_block(ledger: Ledger) -> None:
    running(ledger)
    ledger.fail(
        NAME, [Failure("worker", 2, Exit("exited", code=1)), Failure("ps", 0, Exit("lost"))]
    )
    job, _ = ledger.load(NAME)
    assert job.state == JobState.FAILED
    first, second, *_ = job.error_message.split("\n")
    assert first == "The replica worker 2 exited with a non-zero status of 1. "
    assert second == "The replica ps 0 was lost: lost"
    assert messages(ledger) == [
        job.error_message,
        "Finished tearing down training program.",
        "Job failed.",
    ]


def test_a_replica_that_did_well_says_so_under_its_name(ledger: Ledger) -> None:
    running(ledger)
    ledger.complete(NAME, "worker-replica-3")
    (span,) = ledger.logs.spans("p", "j")
    entries = ledger.logs.entries("p", "j", span)
    assert {entry.task for entry in entries} == {"worker-replica-3"}
    assert entries[-1].message == "Task completed successfully."


def test_records_come_back_as_they_were() -> None:
    standing = Standing((MASTER,), 1, {"master-replica-0": 2})
    private = Private("p", (Ref("r", "s", "n", "t"),), standing, 0.5, 4.0)
    assert read_private(msgspec.json.encode(private)) == private


@pytest.mark.parametrize("restarts", range(24))
def test_a_record_of_a_single_replica_keeps_how_often_it_was_restarted(restarts: int) -> None:
    ref = Ref("process", "job-1-0", "master-replica-0", "master-replica-0")
    earlier = {"project_id": "p", "ref": msgspec.to_builtins(ref), "restarts": restarts}
    found = read_private(msgspec.json.encode(earlier))
    assert found.refs == (ref,)
    assert found.standing is not None
    counted = found.standing.restarts["master-replica-0"]
    assert found.standing.retries * (lifecycle.RESTARTS_PER_REPLICA + 1) + counted == restarts
    assert found.standing.retries <= lifecycle.RETRIES_PER_JOB


def test_a_record_from_before_its_start_is_empty() -> None:
    earlier = {"project_id": "p", "ref": None, "restarts": 0}
    assert read_private(msgspec.json.encode(earlier)) == Private("p")
