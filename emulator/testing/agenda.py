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
        self._order: list[tuple[float, int]] = []
        self._works: dict[int, Work] = {}
        self._numbers = count()
        self._turn = asyncio.Lock()

    def enter(self, moment: float, work: Work) -> int:
        """Have it done at that time; the answer's number drops it."""
        number = next(self._numbers)
        self._works[number] = work
        heapq.heappush(self._order, (moment, number))
        return number

    def drop(self, number: int) -> None:
        """Have it not done, if it is not done yet."""
        self._works.pop(number, None)

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
            while self._order and self._order[0][0] <= self.clock.now:
                moment, number = heapq.heappop(self._order)
                work = self._works.pop(number, None)
                if work is not None:
                    with self.clock.replaying(moment):
                        await work()
