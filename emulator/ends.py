"""What follows when a replica of a job ends: the service's table as data (reference §4.9).

A value says where an attempt stands; ``after`` answers where an event leads, and what is to
be done. Nothing here waits or acts: the course does, and stores the value before it acts.
"""

from typing import Final, Literal

import msgspec

from emulator.cluster import Exit
from emulator.lifecycle import RESTARTS_PER_REPLICA, RETRIES_PER_JOB, Failure, is_done, is_retryable
from emulator.tf_config import Task

PRIMARY: Final = "master"
_AT_ONCE: Final = frozenset({"ps"})  # they never end by themselves

Outcome = Literal["", "succeeded", "failed", "retried"]


class Standing(msgspec.Struct, frozen=True):
    """Where an attempt stands: which replicas have not ended, and where it leads ("": open).

    ``restarts`` counts by label, ``retries`` are earlier attempts of the whole job. An attempt
    is over when its outcome is known and nothing is alive.
    """

    alive: tuple[Task, ...]
    retries: int = 0
    restarts: dict[str, int] = {}
    outcome: Outcome = ""
    failures: tuple[Failure, ...] = ()

    @property
    def is_over(self) -> bool:
        return bool(self.outcome) and not self.alive


class Ended(msgspec.Struct, frozen=True):
    """A replica ended."""

    task: Task
    exit: Exit


class Idle(msgspec.Struct, frozen=True):
    """After the primary's end these replicas do nothing: servers that wait for more work."""

    tasks: tuple[Task, ...]


class GraceOver(msgspec.Struct, frozen=True):
    """The time that the others have after the primary's end has passed."""


class GivenUp(msgspec.Struct, frozen=True):
    """These were stopped and have not ended in time; their place goes without them."""

    tasks: tuple[Task, ...]


Event = Ended | Idle | GraceOver | GivenUp


class Restart(msgspec.Struct, frozen=True):
    """Start this replica again, in place; ``count`` is the how manieth time."""

    task: Task
    exit: Exit
    count: int


class Stop(msgspec.Struct, frozen=True):
    """End these replicas."""

    tasks: tuple[Task, ...]


class Grace(msgspec.Struct, frozen=True):
    """Let these replicas go on for the end grace."""

    tasks: tuple[Task, ...]


Action = Restart | Stop | Grace


def begin(tasks: tuple[Task, ...], retries: int = 0) -> Standing:
    """An attempt whose replicas are about to start."""
    return Standing(tasks, retries)


def after(standing: Standing, event: Event) -> tuple[Standing, tuple[Action, ...]]:
    """Where the event leads, and what is to be done then; idempotent for what has ended."""
    match event:
        case Ended(task, end) if task in standing.alive:
            return _ended(standing, task, end)
        case Idle(tasks) if standing.outcome == "succeeded":
            return standing, _stop(tuple(task for task in standing.alive if task in tasks))
        case GraceOver() if standing.outcome == "succeeded":
            return standing, _stop(standing.alive)
        case GivenUp(tasks) if standing.outcome:
            rest = tuple(task for task in standing.alive if task not in tasks)
            return msgspec.structs.replace(standing, alive=rest), ()
        case _:
            return standing, ()


def again(standing: Standing) -> tuple[Action, ...]:
    """What was to be done when the emulator was killed; doing it twice does no harm."""
    if standing.outcome == "succeeded":
        return _ending(standing.alive)
    return _stop(standing.alive) if standing.outcome else ()


def _ended(standing: Standing, task: Task, end: Exit) -> tuple[Standing, tuple[Action, ...]]:
    rest = tuple(other for other in standing.alive if other != task)
    if standing.outcome:
        return _ended_later(msgspec.structs.replace(standing, alive=rest), task, end), ()
    if is_done(end):
        if task.type != PRIMARY:
            return msgspec.structs.replace(standing, alive=rest), ()
        decided = msgspec.structs.replace(standing, alive=rest, outcome="succeeded")
        return decided, _ending(rest)
    restarts = standing.restarts.get(task.label, 0)
    if is_retryable(end) and restarts < RESTARTS_PER_REPLICA:
        counted = {**standing.restarts, task.label: restarts + 1}
        again = msgspec.structs.replace(standing, restarts=counted)
        return again, (Restart(task, end, restarts + 1),)
    retried = is_retryable(end) and standing.retries < RETRIES_PER_JOB
    decided = msgspec.structs.replace(
        standing,
        alive=rest,
        outcome="retried" if retried else "failed",
        failures=() if retried else (_failure(task, end),),
    )
    return decided, _stop(rest)


def _ending(alive: tuple[Task, ...]) -> tuple[Action, ...]:
    """The primary has ended well: nobody waits for servers, the others may finish."""
    servers = tuple(task for task in alive if task.type in _AT_ONCE)
    others = tuple(task for task in alive if task.type not in _AT_ONCE)
    return (*_stop(servers), *((Grace(others),) if others else ()))


def _ended_later(standing: Standing, task: Task, end: Exit) -> Standing:
    """One that failed by itself before it was told to stop is named, too."""
    by_itself = end.reason in {"exited", "failed_to_start"}
    if standing.outcome != "failed" or not by_itself or end.succeeded or is_retryable(end):
        return standing
    return msgspec.structs.replace(standing, failures=(*standing.failures, _failure(task, end)))


def _failure(task: Task, end: Exit) -> Failure:
    return Failure(task.type, task.index, end)


def _stop(tasks: tuple[Task, ...]) -> tuple[Action, ...]:
    return (Stop(tasks),) if tasks else ()
