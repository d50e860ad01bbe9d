"""The containers of one emulator, by name: their lines, ends, signals and removal."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from docker.api.client import APIClient
from docker.utils import version_gte

from emulator.cluster import Exit, Line
from emulator.errors import OperatorError
from emulator.runners.docker import ends, reading
from emulator.runners.docker.description import LABEL_DISK
from emulator.runners.docker.engine import Engine, EngineLost, Refusal
from emulator.runners.docker.frames import Lines, all_lines, last_traceback

log = logging.getLogger(__name__)

_REMOVALS_AT_ONCE: Final = 8
_LOOK_S: Final = 10.0  # between two looks where no news came
GRACE_S: Final = 15.0  # for an engine to come back: a restart with live-restore takes one
_RETRY_S: Final = 0.3
_KILL_S: Final = 20.0
_DRAIN_S: Final = 10.0
_NOT_RUN: Final = frozenset({126, 127})
_ONE_SHOT: Final = "1.41"  # the API's version that has it
_TAIL: Final = 500  # records of stderr, to find a traceback in


class Containers:
    """What is not the engine's to know of them is remembered here, for this process's time."""

    def __init__(self, engine: Engine, news: reading.News) -> None:
        self._engine = engine
        self._news = news
        self._removals = asyncio.Semaphore(_REMOVALS_AT_ONCE)
        self.starting: set[str] = set()
        self._stopped: set[str] = set()
        self._overfull: dict[str, str] = {}
        self._over: dict[str, dict[str, Any]] = {}  # states of those that have ended
        self._ends: dict[str, Exit] = {}
        self._read: set[str] = set()  # logs that were followed to their end
        self._followed: dict[str, int] = {}

    async def follow(self, name: str, since: int) -> AsyncIterator[Line]:
        """Its lines after ``since``; where the engine failed the log is read again, unnoticed.

        Raises Refusal if there is no such container; ends where the engine stays lost.
        """
        patience = _Patience()
        with self._following(name):
            while True:
                lines = Lines()
                try:
                    async for frame in reading.log_of(self._engine, name):
                        patience.renew()
                        for line in lines.take(frame):
                            if line.seq > since:
                                since = line.seq
                                yield line
                    is_over = await self._is_over(name)
                except EngineLost:
                    if not await patience.holds():
                        return
                    continue
                if is_over:
                    break
                await asyncio.sleep(_RETRY_S)
            for line in lines.end():
                if line.seq > since:
                    yield line
            self._read.add(name)

    async def wait(self, name: str) -> Exit:
        """Its end, once it has one. Raises Refusal if there is no such container."""
        self._news.begin()
        patience = _Patience()
        with self._news.bell(name) as bell:
            while True:
                bell.clear()
                try:
                    if await self._is_over(name):
                        return await self.end(name)
                except EngineLost as error:
                    if not await patience.holds():
                        return Exit("lost", message=f"The end of {name} is not known. {error}")
                    continue
                patience.renew()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), _LOOK_S)

    async def end(self, name: str) -> Exit:
        """How a container ended that is over."""
        if (known := self._ends.get(name)) is None:
            known = self._ends[name] = await self._end(name)
        return known

    async def _end(self, name: str) -> Exit:
        state = await self._state(name)
        if said := self._overfull.get(name):
            started, ended = (ends.seconds(state[key]) for key in ("StartedAt", "FinishedAt"))
            return Exit("exited", code=1, traceback=said, started=started, ended=ended)
        traceback = ""
        if state["ExitCode"] and ends.seconds(state["StartedAt"]) and name not in self._stopped:
            tail = await reading.stored(self._engine, name, stdout=0, tail=_TAIL)
            last = [text.decode(errors="replace") for _, _, text in tail]
            if state["ExitCode"] in _NOT_RUN and (message := ends.init_failure(last)):
                return Exit("failed_to_start", message=message)
            traceback = last_traceback(tail)
        return ends.end_of(state, stopped=name in self._stopped, traceback=traceback)

    async def stop(self, name: str, grace_s: float) -> None:
        """SIGTERM, after the grace SIGKILL; idempotent, also for one that is gone."""
        with self._news.bell(name) as bell:
            try:
                if not await self._signal(name, "SIGTERM" if grace_s > 0 else "SIGKILL"):
                    return
                if grace_s > 0 and not await self._comes_to_end(name, bell, grace_s):
                    await self._signal(name, "SIGKILL")
                if not await self._comes_to_end(name, bell, _KILL_S):
                    log.warning("The container %s did not end when it was killed", name)
            except Refusal as refusal:
                if not refusal.is_gone:
                    raise
            except EngineLost as error:
                log.warning("%s was not stopped: %s", name, error)

    async def retire(self, name: str) -> tuple[Exit, list[Line]] | None:
        """End what still runs; answer the end, and the lines if nobody has read them all."""
        try:
            if name not in self._read:
                await self.stop(name, 0.0)
                await self._drained(name)
            end = await self.end(name)
            frames = [] if name in self._read else await reading.stored(self._engine, name)
        except Refusal as refusal:
            if not refusal.is_gone:
                raise
            return None
        return end, list(all_lines(frames))

    async def remove(self, name: str) -> None:
        def work(client: APIClient) -> None:
            client.remove_container(name, force=True, v=True)

        async with self._removals:
            try:
                await self._engine.call(work)
            except Refusal as refusal:
                if not (refusal.is_gone or "already in progress" in refusal.text):
                    raise
        for names in (self._stopped, self._read):
            names.discard(name)
        for known in (self._overfull, self._over, self._ends):
            known.pop(name, None)

    async def watch_sizes(self, label: str, every_s: float) -> None:
        """End what writes too much, for ever: the engine's file system has no quotas."""
        while True:
            await asyncio.sleep(every_s)
            with contextlib.suppress(OperatorError):
                rows = await self._engine.call(
                    lambda client: client.containers(size=True, filters={"label": label})
                )
                for row in rows:
                    if limit := int(row["Labels"].get(LABEL_DISK, 0)):
                        await self._weigh(row["Names"][0][1:], row.get("SizeRw") or 0, limit)

    async def _weigh(self, name: str, size: int, limit: int) -> None:
        if size > limit and name not in self._overfull:
            self._overfull[name] = (
                f"The replica wrote {size >> 20} MiB to its disk, more than the {limit >> 20} MiB "
                "that it may. Write to gs:// instead."
            )
            await self._signal(name, "SIGKILL")

    async def cpu_seconds(self, name: str) -> float | None:
        """What it has used so far; None if it does not run."""

        def work(client: APIClient) -> dict[str, Any]:
            at_once = version_gte(client.api_version, _ONE_SHOT) or None  # else it takes two looks
            return dict(client.stats(name, stream=False, one_shot=at_once))

        try:
            found = await self._engine.call(work)
            return int(found["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
        except (KeyError, OperatorError):
            return None

    async def _state(self, name: str) -> dict[str, Any]:
        """Asked for until it has ended: nothing of it changes any more then."""
        if (known := self._over.get(name)) is not None:
            return known
        found = await self._engine.call(lambda client: client.inspect_container(name))
        state = dict(found["State"])
        if name not in self.starting and ends.is_over(state):
            self._over[name] = state
        return state

    async def _is_over(self, name: str) -> bool:
        return name not in self.starting and ends.is_over(await self._state(name))

    async def _signal(self, name: str, signal: str) -> bool:
        """Answer whether it ran."""
        try:
            if not (await self._state(name))["Running"]:
                return False
            self._stopped.add(name)
            await self._engine.call(lambda client: client.kill(name, signal))
        except Refusal as refusal:
            if not (refusal.is_gone or "is not running" in refusal.text):
                raise
            return False
        return True

    async def _comes_to_end(self, name: str, bell: asyncio.Event, within_s: float) -> bool:
        self._news.begin()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not ends.is_over(await self._state(name)):
            if (left := deadline - loop.time()) <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), min(left, 1.0))
            bell.clear()
        return True

    async def _drained(self, name: str) -> None:
        """Let whoever follows it come to the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while self._followed.get(name):
                    await asyncio.sleep(0.02)

    @contextlib.contextmanager
    def _following(self, name: str) -> Iterator[None]:
        self._followed[name] = self._followed.get(name, 0) + 1
        try:
            yield
        finally:
            self._followed[name] -= 1


class _Patience:
    """How long a lost engine is waited for."""

    def __init__(self) -> None:
        self._until = 0.0

    def renew(self) -> None:
        self._until = 0.0

    async def holds(self) -> bool:
        """Wait a little; False when it has been too long."""
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + GRACE_S
        await asyncio.sleep(_RETRY_S)
        return now < self._until
