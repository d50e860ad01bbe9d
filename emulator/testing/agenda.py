"""What is due when, in virtual time: done in order, each at its own moment, when somebody looks."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count

from emulator.testing.clock import Clock

Work = Callable[[], Awaitable[None]]


class Agenda:
    """Used from one event loop."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._entries: list[tuple[float, int, Work]] = []
        self._numbers = count()
        self._dropped: set[int] = set()
        self._turn = asyncio.Lock()

    def enter(self, moment: float, work: Work) -> int:
        """Have it done at that time; the answer's number drops it."""
        number = next(self._numbers)
        heapq.heappush(self._entries, (moment, number, work))
        return number

    def drop(self, number: int) -> None:
        self._dropped.add(number)

    async def wait_until(self, moment: float) -> None:
        """For a task that ends soon after: ``catch_up`` lets it end before it goes on."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 a coroutine runs in a task
        woken = asyncio.get_running_loop().create_future()

        async def wake() -> None:
            if not woken.done():
                woken.set_result(None)
            await asyncio.wait({task})

        number = self.enter(moment, wake)
        try:
            await woken
        finally:
            self.drop(number)

    async def catch_up(self) -> None:
        """Do everything that is due by now."""
        async with self._turn:
            while self._entries and self._entries[0][0] <= self.clock.now:
                moment, number, work = heapq.heappop(self._entries)
                if number in self._dropped:
                    self._dropped.discard(number)
                    continue
                with self.clock.replaying(moment):
                    await work()
