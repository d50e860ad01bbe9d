from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cluster import Exit
from emulator.ends import (
    Ended,
    Event,
    GivenUp,
    Grace,
    GraceOver,
    Idle,
    Restart,
    Standing,
    Stop,
    after,
    again,
    begin,
)
from emulator.lifecycle import RESTARTS_PER_REPLICA, RETRIES_PER_JOB, Failure
from emulator.tf_config import Task

MASTER, WORKER, OTHER, PS, EVALUATOR = TASKS = (
    Task("master", 0),
    Task("worker", 0),
    Task("worker", 1),
    Task("ps", 0),
    Task("evaluator", 0),
)
DONE = Exit("exited", code=0)
FAILED = Exit("exited", code=1)
CRASHED = Exit("exited", signal=11)
STOPPED = Exit("stopped", signal=15)
MEMORY = Exit("exited", signal=9, out_of_memory=True)


def led_by(*events: Event, standing: Standing | None = None) -> tuple[Standing, list[object]]:
    """Where the events lead, one after the other, and everything that is done."""
    standing = standing or begin(TASKS)
    done: list[object] = []
    for event in events:
        standing, actions = after(standing, event)
        done += actions
    return standing, done


# One test for each row of the table (service reference §4.9).


def test_the_primary_s_good_end_stops_servers_and_gives_the_others_a_grace() -> None:
    standing, done = led_by(Ended(MASTER, DONE))
    assert standing.outcome == "succeeded"
    assert done == [Stop((PS,)), Grace((WORKER, OTHER, EVALUATOR))]

    standing, done = led_by(Idle((OTHER,)), GraceOver(), standing=standing)
    assert done == [Stop((OTHER,)), Stop((WORKER, OTHER, PS, EVALUATOR))]

    ends = [
        Ended(task, end)
        for task, end in zip(TASKS[1:], (DONE, FAILED, STOPPED, MEMORY), strict=True)
    ]
    standing, done = led_by(*ends, standing=standing)
    assert (standing.is_over, standing.outcome, standing.failures) == (True, "succeeded", ())
    assert done == []


@pytest.mark.parametrize("code", [1, 2, 127])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label)
def test_a_common_error_fails_the_job(task: Task, code: int) -> None:
    end = Exit("exited", code=code)
    standing, done = led_by(Ended(task, end))
    assert standing.outcome == "failed"
    assert standing.failures == (Failure(task.type, task.index, end),)
    assert done == [Stop(tuple(other for other in TASKS if other != task))]


def test_out_of_memory_fails_the_job() -> None:
    standing, _ = led_by(Ended(WORKER, MEMORY))
    assert standing.failures == (Failure("worker", 0, MEMORY),)


@pytest.mark.parametrize(
    "end",
    [CRASHED, STOPPED, Exit("exited", code=128), Exit("lost"), Exit("abandoned", signal=15)],
    ids=str,
)
def test_a_signal_or_a_lost_machine_restarts_then_retries_then_fails(end: Exit) -> None:
    standing = begin(TASKS)
    for retries in range(RETRIES_PER_JOB + 1):
        standing = begin(TASKS, retries)
        for count in range(1, RESTARTS_PER_REPLICA + 1):
            standing, done = led_by(Ended(PS, end), standing=standing)
            assert done == [Restart(PS, end, count)]
            assert standing.alive == TASKS
        standing, done = led_by(Ended(WORKER, end), standing=standing)
        assert done == [Restart(WORKER, end, 1)]
        standing, done = led_by(Ended(PS, end), standing=standing)
        assert standing.outcome == ("retried" if retries < RETRIES_PER_JOB else "failed")
        assert done == [Stop((MASTER, WORKER, OTHER, EVALUATOR))]
    assert standing.failures == (Failure("ps", 0, end),)


@pytest.mark.parametrize("task", TASKS[1:], ids=lambda task: task.label)
def test_an_early_good_end_is_fine(task: Task) -> None:
    standing, done = led_by(Ended(task, DONE))
    assert (standing.outcome, done) == ("", [])
    assert task not in standing.alive


def test_who_failed_by_itself_meanwhile_is_named_and_who_was_stopped_is_not() -> None:
    standing, _ = led_by(
        Ended(WORKER, FAILED),
        Ended(MASTER, FAILED),
        Ended(OTHER, Exit("stopped", code=1)),
        Ended(PS, STOPPED),
        Ended(EVALUATOR, DONE),
    )
    assert standing.is_over
    assert [failure.task_type for failure in standing.failures] == ["worker", "master"]


def test_a_single_replica_is_over_with_its_end() -> None:
    for end, outcome in ((DONE, "succeeded"), (FAILED, "failed")):
        standing, done = led_by(Ended(MASTER, end), standing=begin((MASTER,)))
        assert (standing.is_over, standing.outcome, done) == (True, outcome, [])


def test_who_does_not_end_is_given_up() -> None:
    standing, _ = led_by(Ended(MASTER, DONE), GivenUp((PS,)))
    assert standing.alive == (WORKER, OTHER, EVALUATOR)
    assert not standing.is_over
    assert led_by(GivenUp(TASKS), standing=standing)[0].is_over


def test_a_restarted_emulator_does_again_what_was_to_be_done() -> None:
    assert again(begin(TASKS)) == ()
    succeeded, done = led_by(Ended(MASTER, DONE))
    assert list(again(succeeded)) == done
    failed, done = led_by(Ended(WORKER, FAILED))
    assert list(again(failed)) == done


# And in whatever order they come.

EXITS = st.sampled_from(
    [DONE, FAILED, CRASHED, STOPPED, MEMORY, Exit("lost"), Exit("failed_to_start")]
)
EVENTS = st.one_of(
    st.builds(Ended, st.sampled_from(TASKS), EXITS),
    st.just(GraceOver()),
    st.builds(Idle, st.just((WORKER,))),
    st.builds(GivenUp, st.just((PS, OTHER))),
)


@given(st.lists(EVENTS, max_size=60), st.integers(0, RETRIES_PER_JOB))
def test_nothing_restarts_after_the_end_and_teardown_is_no_failure(
    events: list[Event], retries: int
) -> None:
    standing = begin(TASKS, retries)
    for event in events:
        before = standing
        standing, actions = after(standing, event)
        assert set(standing.alive) <= set(before.alive)
        if before.outcome:
            assert standing.outcome == before.outcome
            assert not any(isinstance(action, Restart) for action in actions)
        if before.is_over:
            assert (standing, actions) == (before, ())
        for action in actions:
            tasks = (action.task,) if isinstance(action, Restart) else action.tasks
            assert set(tasks) <= set(standing.alive)
    assert all(count <= RESTARTS_PER_REPLICA for count in standing.restarts.values())
    assert bool(standing.failures) == (standing.outcome == "failed")
    assert all(failure.exit.reason != "stopped" for failure in standing.failures[1:])


@given(st.lists(EXITS, min_size=1, max_size=7), st.randoms())
def test_a_job_always_terminates(exits: list[Exit], random: Random) -> None:
    """Whatever each life's end, and whoever ends next, after some ends there is no more."""
    attempts, ends, standing = 1, 0, begin(TASKS)
    while True:
        if standing.is_over and standing.outcome != "retried":
            break
        if standing.is_over:
            attempts += 1
            standing = begin(TASKS, standing.retries + 1)
        task = random.choice(standing.alive)
        end = STOPPED if standing.outcome else random.choice(exits)
        standing, _ = after(standing, Ended(task, end))
        ends += 1
        if standing.alive == () and not standing.outcome:
            raise AssertionError("nobody is left and nothing decided")
    assert attempts <= RETRIES_PER_JOB + 1
    assert ends <= (RETRIES_PER_JOB + 1) * len(TASKS) * (RESTARTS_PER_REPLICA + 1)


def test_a_standing_is_a_plain_value() -> None:
    standing, _ = led_by(Ended(PS, CRASHED), Ended(WORKER, FAILED))
    assert msgspec.json.decode(msgspec.json.encode(standing), type=Standing) == standing
