"""How long a job may wait and run: ``trainingInput.scheduling``, and what its log says after."""

from typing import Final

import msgspec

from emulator import schema
from emulator.resources import Job, Scheduling, TrainingInput

DEFAULT_RUNNING_TIME_S: Final = 604_800.0
RAN_TOO_LONG: Final = "The job ran longer than its maxRunningTime and is cancelled."
WAITED_TOO_LONG: Final = "The job waited longer than its maxWaitTime and is cancelled."


class Allowance(msgspec.Struct, frozen=True):
    """How many seconds a job may be as it is; ``text`` is said when they are over."""

    seconds: float
    text: str


class Due(msgspec.Struct, frozen=True):
    """When a job is cancelled, in seconds since the epoch, and what its log says then."""

    moment: float
    text: str


def waiting(scheduling: Scheduling | None) -> Allowance | None:
    """From its creation until it is RUNNING; None: for ever."""
    asked = scheduling.max_wait_time if scheduling else ""
    return Allowance(schema.duration_s(asked), WAITED_TOO_LONG) if asked else None


def running(scheduling: Scheduling | None) -> Allowance:
    """From when it is RUNNING."""
    asked = scheduling.max_running_time if scheduling else ""
    seconds = schema.duration_s(asked) if asked else DEFAULT_RUNNING_TIME_S
    return Allowance(seconds, RAN_TOO_LONG)


def due(job: Job) -> Due | None:
    """When the job, which has not ended, has used up its time; None: never."""
    scheduling = (job.training_input or TrainingInput()).scheduling
    allowed = running(scheduling) if job.start_time else waiting(scheduling)
    since = job.start_time or job.create_time
    if allowed is None or since is None:
        return None
    return Due(since.timestamp() + allowed.seconds, allowed.text)
