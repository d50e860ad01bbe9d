import math
from itertools import pairwise

import pytest

from emulator.resources import Scheduling
from emulator.states import TRANSITIONS, JobState
from emulator.testing import JobOutcome, fails, refuses, states, succeeds, unavailable
from emulator.testing.outcomes import TEARDOWN_S, moments

S = JobState


def way(
    outcome: JobOutcome, *, max_running_time: str = "", max_wait_time: str = ""
) -> list[tuple[float, JobState]]:
    scheduling = Scheduling(max_running_time=max_running_time, max_wait_time=max_wait_time)
    return [(each.after_s, each.state) for each in moments(outcome, scheduling)]


def test_usual_way() -> None:
    outcome = succeeds(queued_s=5, preparing_s=10, running_s=100)
    assert way(outcome) == [
        (0, S.QUEUED),
        (5, S.PREPARING),
        (15, S.RUNNING),
        (115, S.SUCCEEDED),
    ]
    assert way(fails(running_s=1))[-1] == (61, S.FAILED)


def test_state_by_state() -> None:
    outcome = states(("QUEUED", 7), ("PREPARING", 3), "FAILED")
    assert way(outcome) == [(0, S.QUEUED), (7, S.PREPARING), (10, S.FAILED)]


def test_without_an_end_a_job_stays() -> None:
    assert way(states(("QUEUED", 7), ("PREPARING", 3)))[-1] == (7, S.PREPARING)
    assert way(states(("QUEUED", math.inf), ("PREPARING", 3), "FAILED")) == [(0, S.QUEUED)]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([], "begins QUEUED"),
        (["SUCCEEDED"], "begins QUEUED"),
        ([("RUNNING", 1)], "begins QUEUED"),
        ([("QUEUED", 1), ("RUNNING", 1)], "cannot go from QUEUED to RUNNING"),
        ([("QUEUED", 1), "SUCCEEDED"], "cannot go from QUEUED to SUCCEEDED"),
        ([("QUEUED", 1), "FAILED", ("PREPARING", 1)], "Only the last"),
        ([("QUEUED", 1), "FAILED", "FAILED"], "Only the last"),
        ([("WAITING", 1)], "'WAITING' is not a valid"),
    ],
)
def test_refuses_what_no_job_does(steps: list[tuple[str, float] | str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        states(*steps)


def test_running_time_ends_in_a_cancellation() -> None:
    outcome = succeeds(preparing_s=10, running_s=100)
    assert way(outcome, max_running_time="30s")[-2:] == [
        (40, S.CANCELLING),
        (40 + TEARDOWN_S, S.CANCELLED),
    ]
    assert way(outcome, max_running_time="100s")[-1] == (110, S.SUCCEEDED)


def test_running_time_has_a_default_of_seven_days() -> None:
    assert way(succeeds(running_s=8 * 86_400))[-2] == (60 + 7 * 86_400, S.CANCELLING)


def test_waiting_time_counts_until_it_runs() -> None:
    outcome = succeeds(queued_s=1_000, preparing_s=1_000)
    assert way(outcome, max_wait_time="1800s")[-2:] == [
        (1_800, S.CANCELLING),
        (1_800 + TEARDOWN_S, S.CANCELLED),
    ]
    assert way(outcome, max_wait_time="2000s")[-1][1] == S.SUCCEEDED
    assert way(states(("QUEUED", math.inf)), max_wait_time="1800s")[-1][1] == S.CANCELLED


@pytest.mark.parametrize("scheduling", [{}, {"max_running_time": "1s"}, {"max_wait_time": "1s"}])
@pytest.mark.parametrize(
    "outcome",
    [
        succeeds(),
        fails(queued_s=math.inf),
        states(("QUEUED", 1), ("CANCELLING", 99), "CANCELLED"),
        states(("QUEUED", 9)),
    ],
)
def test_every_step_is_one_that_a_job_takes(
    outcome: JobOutcome, scheduling: dict[str, str]
) -> None:
    found = way(outcome, **scheduling)
    for (at, before), (later, after) in pairwise(found):
        assert at <= later
        assert after in TRANSITIONS[before]


def test_refuses_as_often_as_it_says() -> None:
    once = succeeds().refused_first(unavailable())
    assert [once.refuses_attempt(number) for number in (1, 2)] == [True, False]
    always = refuses(unavailable())
    assert all(always.refuses_attempt(number) for number in (1, 2, 100))
    assert not succeeds().refuses_attempt(1)
