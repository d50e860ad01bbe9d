"""The faults that are set in a running emulator: placed, struck and removed again.

They are no state of the service: they end with the emulator's process, so that a forgotten one
spoils nobody's next day.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from emulator import quota
from emulator.errors import NotFound
from emulator.faults import (
    ExpiredTokens,
    Fault,
    FullDisk,
    OfRequests,
    Placed,
    Preempt,
    Quota,
    kind_of,
    matches,
)
from emulator.projects import Project
from emulator.resources import Job

_T = TypeVar("_T", bound=Fault)


class Gateway(Protocol):
    """``emulator.gateway.keeper.Keeper``, as far as faults of requests need it."""

    async def place(self, faults: Sequence[Placed]) -> None: ...
    async def struck(self) -> Mapping[str, int]: ...


class Nowhere:
    """In place of a gateway: requests meet no faults."""

    async def place(self, faults: Sequence[Placed]) -> None:
        """Nobody to tell."""

    async def struck(self) -> Mapping[str, int]:
        return {}


NOWHERE: Final = Nowhere()


class FaultPlan:
    """All faults, in the order in which they were set. ``gateway`` has those of requests."""

    def __init__(self, gateway: Gateway = NOWHERE) -> None:
        self._gateway = gateway
        self._placed: dict[str, Placed] = {}
        self._numbers: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._placed)

    @property
    def change(self) -> asyncio.Event:
        """Set once, by the next change of the plan."""
        return self._changed

    async def add(self, fault: Fault) -> Placed:
        kind = kind_of(fault)
        self._numbers[kind] += 1
        placed = Placed(f"{kind}-{self._numbers[kind]}", fault)
        self._placed[placed.id] = placed
        await self._tell()
        return placed

    async def list(self, project: str) -> list[Placed]:
        """A project's faults, with how often each has struck by now."""
        by_requests = await self._gateway.struck() if self._placed else {}
        found = [placed for placed in self._placed.values() if placed.fault.is_of(project)]
        return [
            msgspec.structs.replace(placed, struck=by_requests.get(placed.id, placed.struck))
            for placed in found
        ]

    async def remove(self, project: str, fault_id: str) -> None:
        placed = self._placed.get(fault_id)
        if placed is None or not placed.fault.is_of(project):
            raise NotFound(f"The project {project} has no fault {fault_id}.")
        del self._placed[fault_id]
        await self._tell()

    async def clear(self, project: str) -> tuple[str, ...]:
        """Remove all faults of a project; answer their ids."""
        gone = tuple(it.id for it in self._placed.values() if it.fault.is_of(project))
        for fault_id in gone:
            del self._placed[fault_id]
        await self._tell()
        return gone

    def strike(self, fault_id: str) -> bool:
        """Count that a fault happens now; False if it may not any more."""
        placed = self._placed.get(fault_id)
        if placed is None or placed.is_spent:
            return False
        self._placed[fault_id] = msgspec.structs.replace(placed, struck=placed.struck + 1)
        return True

    # What is asked of it

    def preemptions(self, project: str, job_id: str, label: str) -> Iterator[tuple[str, Preempt]]:
        """Those that may yet befall this replica."""
        for fault_id, fault in self._of(Preempt, project):
            if fault.label == label and matches(fault.job, job_id):
                yield fault_id, fault

    def full_disk(self, project: str, job_id: str, replica: str) -> tuple[str, int] | None:
        """Fault and size of the disk that this replica is to start with; counted."""
        for fault_id, fault in self._of(FullDisk, project):
            named = matches(fault.job, job_id) and matches(fault.replica, replica)
            if named and self.strike(fault_id):
                return fault_id, fault.free_bytes
        return None

    def check_job(self, project: str, job: Job) -> None:
        """Refuse a new job where the quota is used up."""
        if self._is_used_up(project, "jobs"):
            raise quota.of_jobs(project, job)

    def check_prediction(self, project: Project) -> None:
        """Refuse an online prediction where the quota is used up."""
        if self._is_used_up(project.project_id, "predictions"):
            raise quota.of_predictions(project.project_number)

    def token_marks(self, project: str = "") -> tuple[str, ...]:
        """What a token of today has in it; the expired ones lack the last.

        Without a project those of all: a user's token is for every project.
        """
        found = (it for it in self._placed.values() if isinstance(it.fault, ExpiredTokens))
        return tuple(it.id for it in found if not project or it.fault.is_of(project))

    def _is_used_up(self, project: str, of: str) -> bool:
        quotas = [fault_id for fault_id, it in self._of(Quota, project) if it.of == of]
        return any(self.strike(fault_id) for fault_id in quotas)

    def _of(self, kind: type[_T], project: str) -> Iterator[tuple[str, _T]]:
        for placed in list(self._placed.values()):
            fault = placed.fault
            if isinstance(fault, kind) and fault.is_of(project) and not placed.is_spent:
                yield placed.id, fault

    async def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        of_requests = [it for it in self._placed.values() if isinstance(it.fault, OfRequests)]
        await self._gateway.place(of_requests)
