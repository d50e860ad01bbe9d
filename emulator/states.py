"""The life of a job, as data: which state may follow which."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from emulator.errors import FailedPrecondition


class JobState(StrEnum):
    """The states ``projects.jobs.get`` answers with (service reference §2.4)."""

    QUEUED = "QUEUED"
    PREPARING = "PREPARING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        return not TRANSITIONS[self]

    def to(self, after: "JobState") -> "JobState":
        """Answer ``after`` if it may follow this state, else refuse."""
        if after not in TRANSITIONS[self]:
            raise FailedPrecondition(f"A job cannot go from {self} to {after}.")
        return after


_S = JobState
TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = MappingProxyType(
    {
        _S.QUEUED: frozenset({_S.PREPARING, _S.CANCELLING, _S.FAILED}),
        _S.PREPARING: frozenset({_S.RUNNING, _S.CANCELLING, _S.FAILED}),
        _S.RUNNING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLING}),
        _S.CANCELLING: frozenset({_S.CANCELLED, _S.FAILED}),
        _S.SUCCEEDED: frozenset(),
        _S.FAILED: frozenset(),
        _S.CANCELLED: frozenset(),
    }
)


class VersionState(StrEnum):
    """The states of a model version (service reference §7.2)."""

    CREATING = "CREATING"
    READY = "READY"
    UPDATING = "UPDATING"
    DELETING = "DELETING"
    FAILED = "FAILED"

    @property
    def is_busy(self) -> bool:
        """Updates and deletions fail in these states."""
        return self in {self.CREATING, self.UPDATING, self.DELETING}
