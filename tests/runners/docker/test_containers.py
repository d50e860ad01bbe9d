"""What is remembered of a container that has ended, and how it is told that it must."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from emulator.runners.docker.containers import Containers
from emulator.runners.docker.engine import Refusal
from emulator.runners.docker.reading import News

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

pytestmark = pytest.mark.docker

FAILS_WHEN_TOLD = """
import signal, time
def fail(*_): raise ValueError("told")
signal.signal(signal.SIGTERM, fail)
print("up")
time.sleep(600)
"""


def name_of(bench: "DockerBench") -> str:
    return f"cmle-{bench.instance}-site-master-0"


@pytest.fixture
def containers(contained: "DockerBench") -> Iterator[Containers]:
    news = News(contained.engine, f"cmle.instance={contained.instance}", lambda: None)
    yield Containers(contained.engine, news)
    news.close()


def test_an_end_is_remembered_until_it_is_removed(
    contained: "DockerBench", containers: Containers
) -> None:
    async def work() -> None:
        name = name_of(contained)
        await contained.start("raise SystemExit(3)")
        end = await containers.wait(name)
        assert (end.reason, end.code) == ("exited", 3)
        await asyncio.to_thread(contained.engine.client.remove_container, name)
        assert await containers.wait(name) == end
        assert await containers.retire(name) is None  # its lines are gone, too
        await containers.remove(name)
        with pytest.raises(Refusal):
            await containers.wait(name)

    contained.run(work())


def test_what_ended_by_itself_was_not_stopped(
    contained: "DockerBench", containers: Containers
) -> None:
    async def work() -> None:
        name = name_of(contained)
        ref = await contained.start("print('done')")
        await contained.runner.wait(ref)
        await containers.stop(name, 1.0)
        assert (await containers.end(name)).reason == "exited"
        await containers.stop("cmle-nobody", 1.0)

    contained.run(work())


def test_how_it_takes_being_stopped_is_no_failure(
    contained: "DockerBench", containers: Containers
) -> None:
    async def work() -> None:
        name = name_of(contained)
        ref = await contained.start(FAILS_WHEN_TOLD)
        await contained.until_line(ref, "up")
        await containers.stop(name, 30.0)
        end = await containers.end(name)
        assert (end.reason, end.code, end.traceback) == ("stopped", 1, "")

    contained.run(work())


def test_lines_that_nobody_read_are_kept(contained: "DockerBench", containers: Containers) -> None:
    async def work() -> None:
        name = name_of(contained)
        await contained.start("print('a')\nprint('b')")
        await containers.wait(name)
        _, lines = await containers.retire(name) or (None, [])
        assert [line.text for line in lines] == ["a", "b"]
        assert [line.text async for line in containers.follow(name, 0)] == ["a", "b"]
        _, lines = await containers.retire(name) or (None, [])
        assert lines == []  # whoever followed it has them

    contained.run(work())
