"""Errors that the script puts in an answer's place, in the words of the service."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from starlette.types import ASGIApp

from emulator.errors import ApiError, Internal, ResourceExhausted, Unavailable
from emulator.gateway.exchanges import refuse
from emulator.gateway.routes import Place, Refusal
from emulator.quota import of_jobs
from emulator.resources import Job
from emulator.storage.refusals import Refusal as StorageRefusal

_REASONS: Final = {
    401: "authError",
    403: "forbidden",
    404: "notFound",
    429: "rateLimitExceeded",
    500: "backendError",
    503: "backendError",
}


class Fault(msgspec.Struct, frozen=True):
    """An error in place of the first ``times`` answers, after ``after`` true ones."""

    error: ApiError
    times: int = 1
    after: int = 0


class Faults:
    """Counts, by pattern, the requests that were let through and those that were not.

    A pattern is of ``METHOD path``: ``"GET /v1/projects/*/jobs/*"``.
    """

    def __init__(self, script: Mapping[str, Fault | ApiError]) -> None:
        self._script = {
            pattern: fault if isinstance(fault, Fault) else Fault(fault)
            for pattern, fault in script.items()
        }
        self._seen = dict.fromkeys(self._script, 0)

    def instead(self, method: str, path: str, place: Place) -> ASGIApp | None:
        """What answers this request in place of the service, if anything."""
        for pattern, fault in self._script.items():
            if fnmatchcase(f"{method} {path}", pattern):
                seen = self._seen[pattern]
                self._seen[pattern] += 1
                if fault.after <= seen < fault.after + fault.times:
                    return refuse(_written(fault.error, place))
        return None


def unavailable(message: str = "The service is currently unavailable.") -> Unavailable:
    """503 UNAVAILABLE."""
    return Unavailable(message)


def internal(message: str = "Internal error encountered.") -> Internal:
    """500 INTERNAL."""
    return Internal(message)


def quota(project_id: str, job: Job) -> ResourceExhausted:
    """429 RESOURCE_EXHAUSTED: the accelerators of this job are more than a new project has."""
    return of_jobs(project_id, job)


def _written(error: ApiError, place: Place) -> Refusal:
    """Storage writes its errors in another way than the rest."""
    if place is Place.STORAGE:
        body = StorageRefusal(error.http, _REASONS.get(error.http, "invalid"), error.message).json()
        return Refusal(error.http, error.message, body)
    return Refusal.of(error)
