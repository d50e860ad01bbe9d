from datetime import UTC, datetime

import pytest

from emulator import scheduling
from emulator.resources import Job, Scheduling, TrainingInput
from emulator.scheduling import RAN_TOO_LONG, WAITED_TOO_LONG, Due

CREATED, STARTED = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (0, 6))


def job(scheduling: Scheduling | None, *, started: bool = False) -> Job:
    spec = TrainingInput(scheduling=scheduling)
    start = STARTED if started else None
    return Job(job_id="j", create_time=CREATED, start_time=start, training_input=spec)


@pytest.mark.parametrize("asked", [None, Scheduling(), Scheduling(max_running_time="1s")])
def test_a_job_waits_for_ever_unless_it_says_how_long(asked: Scheduling | None) -> None:
    assert scheduling.due(job(asked)) is None


def test_a_wait_is_counted_from_the_creation() -> None:
    waits = Scheduling(max_wait_time="1800s", max_running_time="1s")
    assert scheduling.due(job(waits)) == Due(CREATED.timestamp() + 1800, WAITED_TOO_LONG)


@pytest.mark.parametrize(("asked", "seconds"), [("", 604_800), ("3600s", 3600), ("1.5s", 1.5)])
def test_a_running_time_is_counted_from_the_start(asked: str, seconds: float) -> None:
    runs = Scheduling(max_wait_time="1800s", max_running_time=asked)
    expected = Due(STARTED.timestamp() + seconds, RAN_TOO_LONG)
    assert scheduling.due(job(runs, started=True)) == expected
    if not asked:
        assert scheduling.due(job(None, started=True)) == expected
