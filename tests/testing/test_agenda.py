import asyncio
from collections.abc import Awaitable, Callable

from emulator.testing.agenda import Agenda
from emulator.testing.clock import Clock


def noting(
    found: list[tuple[str, float]], name: str, clock: Clock
) -> Callable[[], Awaitable[None]]:
    async def note() -> None:
        found.append((name, clock()))

    return note


def test_does_what_is_due_in_order_at_its_own_moment() -> None:
    async def run() -> list[tuple[str, float]]:
        clock, found = Clock(0.0), list[tuple[str, float]]()
        agenda = Agenda(clock)
        for name, moment in [("late", 30.0), ("early", 10.0), ("early too", 10.0), ("far", 99.0)]:
            agenda.enter(moment, noting(found, name, clock))
        await agenda.catch_up()
        assert found == []
        clock.advance(50)
        await agenda.catch_up()
        await agenda.catch_up()
        return found

    assert asyncio.run(run()) == [("early", 10.0), ("early too", 10.0), ("late", 30.0)]


def test_what_is_dropped_is_not_done() -> None:
    async def run() -> list[tuple[str, float]]:
        clock, found = Clock(0.0), list[tuple[str, float]]()
        agenda = Agenda(clock)
        number = agenda.enter(1.0, noting(found, "a", clock))
        agenda.enter(2.0, noting(found, "b", clock))
        agenda.drop(number)
        agenda.drop(number)
        clock.advance(5)
        await agenda.catch_up()
        return found

    assert asyncio.run(run()) == [("b", 2.0)]


def test_work_may_enter_more_that_is_due() -> None:
    async def run() -> list[tuple[str, float]]:
        clock, found = Clock(0.0), list[tuple[str, float]]()
        agenda = Agenda(clock)

        async def again() -> None:
            agenda.enter(clock() + 1, noting(found, "second", clock))

        agenda.enter(1.0, again)
        clock.advance(5)
        await agenda.catch_up()
        return found

    assert asyncio.run(run()) == [("second", 2.0)]


def test_a_task_that_waits_has_ended_when_time_is_caught_up_with() -> None:
    async def run() -> list[str]:
        clock, found = Clock(0.0), list[str]()
        agenda = Agenda(clock)

        async def inner() -> None:
            await agenda.wait_until(10.0)
            found.append(f"inner at {clock():.0f}")

        async def outer() -> None:
            await asyncio.create_task(inner())
            found.append("outer")

        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(60)
        await agenda.catch_up()
        seen = list(found)
        await task
        return seen

    assert asyncio.run(run()) == ["inner at 10", "outer"]


def test_a_cancelled_wait_is_forgotten() -> None:
    async def run() -> None:
        clock = Clock(0.0)
        agenda = Agenda(clock)
        task = asyncio.create_task(agenda.wait_until(10.0))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock.advance(60)
        await agenda.catch_up()
        assert task.cancelled()

    asyncio.run(run())
