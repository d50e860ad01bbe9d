"""What becomes of a scripted job: its states with their durations, and how it ends."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

import msgspec

from emulator import scheduling
from emulator.cluster import Exit
from emulator.errors import ApiError, FailedPrecondition
from emulator.resources import Job, Scheduling, TrainingOutput
from emulator.states import JobState

TEARDOWN_S: Final = 10.0  # from CANCELLING to CANCELLED

Refusal = ApiError | Callable[[str, Job], ApiError]
"""An answer to a submission, or what makes one from the project's id and the job."""


class Phase(msgspec.Struct, frozen=True):
    """A state and how many virtual seconds it lasts."""

    state: JobState
    seconds: float = 0.0


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """``end`` is None for a job that stays in its last phase for ever.

    ``failure`` is how the master ended, for the service's own text; ``error_message`` is
    taken as it is. ``lines`` are logged by the master, evenly over the time that it runs;
    ``files`` appear below the job's ``jobDir`` when it succeeds. The first ``refused``
    submissions of a job are answered with ``refusal`` (None: all of them).
    """

    phases: tuple[Phase, ...]
    end: JobState | None = JobState.SUCCEEDED
    failure: Exit | None = None
    error_message: str = ""
    lines: tuple[str, ...] = ()
    files: Mapping[str, bytes] = {}
    output: TrainingOutput | None = None
    refusal: Refusal | None = None
    refused: int | None = 0

    def refused_first(self, refusal: Refusal, times: int = 1) -> "JobOutcome":
        """The same, but the first submissions of each such job are refused."""
        return msgspec.structs.replace(self, refusal=refusal, refused=times)

    def refuses_attempt(self, attempt: int) -> bool:
        """Whether the n-th submission (from 1) of a job is refused."""
        return self.refusal is not None and (self.refused is None or attempt <= self.refused)


class Moment(msgspec.Struct, frozen=True):
    """``after_s`` seconds after its submission, a job comes into a state."""

    after_s: float
    state: JobState
    note: str = ""  # what its log says then


def succeeds(
    *,
    queued_s: float = 0.0,
    preparing_s: float = 60.0,
    running_s: float = 600.0,
    lines: tuple[str, ...] | list[str] = (),
    files: Mapping[str, bytes] | None = None,
    output: TrainingOutput | None = None,
) -> JobOutcome:
    """A job that trains and ends well; durations in virtual seconds."""
    phases = _usual(queued_s, preparing_s, running_s)
    return JobOutcome(phases=phases, lines=tuple(lines), files=dict(files or {}), output=output)


def fails(  # noqa: PLR0913 each a keyword
    error_message: str = "",
    *,
    traceback: str = "",
    code: int = 1,
    out_of_memory: bool = False,
    queued_s: float = 0.0,
    preparing_s: float = 60.0,
    running_s: float = 600.0,
    lines: tuple[str, ...] | list[str] = (),
) -> JobOutcome:
    """A job whose master fails: with the service's text for its end, or your own text."""
    end = Exit("exited", code=code, out_of_memory=out_of_memory, traceback=traceback)
    return JobOutcome(
        phases=_usual(queued_s, preparing_s, running_s),
        end=JobState.FAILED,
        failure=end,
        error_message=error_message,
        lines=tuple(lines),
    )


def states(*steps: tuple[str, float] | str) -> JobOutcome:
    """``states(("QUEUED", 30), ("PREPARING", 60), ("RUNNING", math.inf))``, state by state.

    A job begins QUEUED. A last word without a duration is how it ends; without one, it stays
    in its last state. ValueError for steps that no job takes.
    """
    phases = [Phase(JobState(step[0]), step[1]) for step in steps if not isinstance(step, str)]
    ends = [JobState(step) for step in steps if isinstance(step, str)]
    if ends and (len(ends) > 1 or steps[-1] != ends[0]):
        raise ValueError("Only the last step is a state alone: the others need a duration.")
    if not phases or phases[0].state != JobState.QUEUED:
        raise ValueError("A job begins QUEUED.")
    way = [phase.state for phase in phases] + ends
    for before, after in pairwise(way):
        try:
            before.to(after)
        except FailedPrecondition as error:
            raise ValueError(str(error)) from None
    end = ends[0] if ends else None
    failure = Exit("exited", code=1) if end == JobState.FAILED else None
    return JobOutcome(phases=tuple(phases), end=end, failure=failure)


def refuses(refusal: Refusal) -> JobOutcome:
    """A job that the service never takes."""
    return JobOutcome(phases=_usual(0, 0, 0), refusal=refusal, refused=None)


def moments(outcome: JobOutcome, asked: Scheduling | None) -> list[Moment]:
    """When a job comes into which state, within the times that its request allows."""
    found: list[Moment] = []
    for moment in _scripted(outcome):
        limit = _limit(found, asked or Scheduling())
        if limit is not None and moment.after_s > limit.after_s:
            over = Moment(limit.after_s + TEARDOWN_S, JobState.CANCELLED)
            return [*found, limit, over]
        if math.isinf(moment.after_s):
            break
        found.append(moment)
    return found


def _usual(queued_s: float, preparing_s: float, running_s: float) -> tuple[Phase, ...]:
    return (
        Phase(JobState.QUEUED, queued_s),
        Phase(JobState.PREPARING, preparing_s),
        Phase(JobState.RUNNING, running_s),
    )


def _scripted(outcome: JobOutcome) -> Iterator[Moment]:
    after_s = 0.0
    for phase in outcome.phases:
        yield Moment(after_s, phase.state)
        after_s += phase.seconds
    yield Moment(math.inf if outcome.end is None else after_s, outcome.end or JobState.CANCELLED)


def _limit(found: list[Moment], asked: Scheduling) -> Moment | None:
    """Until when a job may go on as it is, and what becomes of it then."""
    if not found or found[-1].state == JobState.CANCELLING:
        return None
    started = [moment.after_s for moment in found if moment.state == JobState.RUNNING]
    allowed = scheduling.running(asked) if started else scheduling.waiting(asked)
    if allowed is None:
        return None
    since = started[0] if started else 0.0
    return Moment(since + allowed.seconds, JobState.CANCELLING, allowed.text)
