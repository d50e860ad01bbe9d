import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from emulator.errors import InvalidArgument
from emulator.store import Store
from emulator.timelines import FURTHEST_S, Leap, Timeline, Timelines
from tests.virtual_time import run

BEGIN = 1_600_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "db")
    yield opened
    opened.close()


def here(store: Store) -> Timelines:
    loop = asyncio.get_running_loop()
    return Timelines(store, lambda: BEGIN + loop.time(), queue_delay_s=5.0)


def test_a_line_printed_before_a_leap_keeps_its_time() -> None:
    timeline = Timeline((Leap(100.0, 50.0), Leap(200.0, 60.0)))
    moments = [99.9, 100.0, 199.9, 200.0, 300.0]
    assert [timeline.at(moment) for moment in moments] == [99.9, 150.0, 249.9, 260.0, 360.0]
    assert Timeline().at(7.0) == 7.0


def test_a_project_goes_ahead_alone_and_stays_there(store: Store) -> None:
    async def work() -> None:
        timelines = here(store)
        await timelines.advance("p", 3600)
        await timelines.advance("p", 0.5)
        assert timelines.now("p") == BEGIN + 3600.5
        assert timelines.ahead_s("p") == 3600.5
        assert timelines.now("q") == BEGIN
        again = here(store)
        assert again.now("p") == BEGIN + 3600.5
        assert again.of("p") == timelines.of("p")

    run(work)


def test_what_was_skipped_stays_so_when_the_machine_s_clock_is_put_back(store: Store) -> None:
    moments = iter([BEGIN, BEGIN, BEGIN - 2])

    async def work() -> None:
        timelines = Timelines(store, lambda: next(moments))
        await timelines.advance("p", 3600)
        assert timelines.now("p") == BEGIN + 3598

    run(work)


def test_alarms_ring_in_their_order_and_once(store: Store) -> None:
    rung: list[str] = []

    async def work() -> None:
        timelines = here(store)
        for name, after_s in {"late": 30, "soon": 10, "later": 5000}.items():
            timelines.call_at("p", BEGIN + after_s, partial(rung.append, name))
        timelines.call_at("p", BEGIN + 20, lambda: rung.append("dropped"))()
        timelines.call_at("q", BEGIN + 10, lambda: rung.append("elsewhere"))
        await timelines.advance("p", 60)
        assert rung == ["soon", "late"]
        await asyncio.sleep(4930)
        assert rung == ["soon", "late", "elsewhere"]
        await asyncio.sleep(20)
        assert rung == ["soon", "late", "elsewhere", "later"]

    run(work)


def test_a_sleep_is_over_when_its_time_has_come_or_was_skipped(store: Store) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        timelines = here(store)
        await timelines.sleep_until("p", BEGIN - 1)
        await timelines.sleep_until("p", BEGIN + 90)
        assert loop.time() == pytest.approx(90)
        sleeping = asyncio.create_task(timelines.sleep_until("p", BEGIN + 1000))
        await asyncio.sleep(1)
        await timelines.advance("p", 1000)
        await sleeping
        assert loop.time() == pytest.approx(91)

    run(work)


def test_a_project_has_its_own_queue(store: Store) -> None:
    async def work() -> None:
        timelines = here(store)
        timelines.queue_jobs("p", 600)
        assert [timelines.queue_delay_s(project) for project in "pq"] == [600, 5]
        timelines.queue_jobs("p", 0)
        await timelines.advance("p", 1)
        assert here(store).queue_delay_s("p") == 0

    run(work)


@pytest.mark.parametrize("seconds", [-1.0, FURTHEST_S + 1, float("inf"), float("nan")])
def test_time_goes_forward_within_reason(store: Store, seconds: float) -> None:
    async def work() -> None:
        timelines = here(store)
        with pytest.raises(InvalidArgument, match="forward only"):
            await timelines.advance("p", seconds)
        assert timelines.now("p") == BEGIN

    run(work)
