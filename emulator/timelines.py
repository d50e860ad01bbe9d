"""The time of every project: this machine's, ahead of it by what was skipped there.

What the API shows of a project has its project's time, and a job's deadlines are counted in it.
Processes know nothing of it. A skip is kept in the store: a project's time never goes back,
also not over a restart.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import msgspec

from emulator.errors import InvalidArgument
from emulator.names import project_name
from emulator.store import Record, Store

KIND: Final = "timelines"
FURTHEST_S: Final = 100 * 365 * 86_400.0  # ahead of this machine


class Leap(msgspec.Struct, frozen=True):
    """From this machine's ``moment`` on, the project is ``ahead_s`` seconds ahead of it."""

    moment: float
    ahead_s: float


class Timeline(msgspec.Struct, frozen=True):
    """The time of one project: its leaps, oldest first.

    ``queue_delay_s``: how long its jobs are QUEUED at least; None: as long as everybody's.
    """

    leaps: tuple[Leap, ...] = ()
    queue_delay_s: float | None = None

    @property
    def ahead_s(self) -> float:
        return self.leaps[-1].ahead_s if self.leaps else 0.0

    def at(self, moment: float) -> float:
        """What time it was in the project at this machine's ``moment``."""
        before = bisect_right(self.leaps, moment, key=lambda leap: leap.moment)
        return moment + (self.leaps[before - 1].ahead_s if before else 0.0)


_START: Final = Timeline()


class Alarm:
    """Something that is due at a time of a project."""

    def __init__(self, moment: float, ring: Callable[[], None]) -> None:
        self.moment = moment
        self._ring = ring
        self._timer: asyncio.Handle | None = None

    def set(self, now: float) -> None:
        """Ring in as many seconds as there are until then; at once if there are none."""
        self.cancel()
        loop = asyncio.get_running_loop()
        if self.moment > now:
            self._timer = loop.call_later(self.moment - now, self._ring)
        else:
            self._timer = loop.call_soon(self._ring)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Timelines:
    """``clock`` is this machine's, in seconds since the epoch; ``queue_delay_s`` is everybody's."""

    def __init__(
        self, store: Store, clock: Callable[[], float], *, queue_delay_s: float = 0.0
    ) -> None:
        self.clock = clock
        self._store = store
        self._queue_delay_s = queue_delay_s
        self._alarms: dict[str, set[Alarm]] = {}
        self._known = {
            record.name: msgspec.json.decode(record.document, type=Timeline)
            for record in store.list(KIND)
        }

    def of(self, project_id: str) -> Timeline:
        return self._known.get(_name(project_id), _START)

    def now(self, project_id: str) -> float:
        """The project's time in seconds since the epoch."""
        return self.clock() + self.of(project_id).ahead_s  # also if the machine's was put back

    def ahead_s(self, project_id: str) -> float:
        """How far the project is ahead of this machine."""
        return self.of(project_id).ahead_s

    def queue_delay_s(self, project_id: str) -> float:
        """How long a job of the project is QUEUED at least."""
        own = self.of(project_id).queue_delay_s
        return self._queue_delay_s if own is None else own

    def queue_jobs(self, project_id: str, seconds: float) -> None:
        """From now on, let the project's new jobs be QUEUED at least so long."""
        self._keep(project_id, msgspec.structs.replace(self.of(project_id), queue_delay_s=seconds))

    async def advance(self, project_id: str, seconds: float) -> None:
        """Skip some time of the project; what falls due in it has begun afterwards, in order."""
        before = self.of(project_id)
        ahead_s = before.ahead_s + seconds
        if not before.ahead_s <= ahead_s <= FURTHEST_S:
            raise InvalidArgument.field(
                "duration", "Time goes forward only, and at most 100 years ahead of this machine's."
            )
        leaps = (*before.leaps, Leap(self.clock(), ahead_s))
        self._keep(project_id, msgspec.structs.replace(before, leaps=leaps))
        now = self.now(project_id)
        for alarm in sorted(self._alarms.get(project_id, ()), key=lambda alarm: alarm.moment):
            alarm.set(now)
        await asyncio.sleep(0)

    def call_at(
        self, project_id: str, moment: float, ring: Callable[[], None]
    ) -> Callable[[], None]:
        """Call ``ring`` when it is ``moment`` in the project; the answer drops it."""
        alarms = self._alarms.setdefault(project_id, set())

        def rings() -> None:
            alarms.discard(alarm)
            ring()

        def drop() -> None:
            alarms.discard(alarm)
            alarm.cancel()

        alarm = Alarm(moment, rings)
        alarms.add(alarm)
        alarm.set(self.now(project_id))
        return drop

    async def sleep_until(self, project_id: str, moment: float) -> None:
        """Until it is ``moment`` in the project."""
        over = asyncio.Event()
        drop = self.call_at(project_id, moment, over.set)
        try:
            await over.wait()
        finally:
            drop()

    def _keep(self, project_id: str, timeline: Timeline) -> None:
        name = _name(project_id)
        record = Record(KIND, name, project_name(project_id), msgspec.json.encode(timeline))
        if not self._store.insert(record):
            self._store.replace(record)
        self._known[name] = timeline


def _name(project_id: str) -> str:
    return f"{project_name(project_id)}/timeline"
