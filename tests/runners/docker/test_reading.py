"""Logs and news of a real engine, by threads that end when nobody reads any more."""

import secrets
import threading
from typing import TYPE_CHECKING

import pytest

from emulator.runners.docker.engine import Refusal
from emulator.runners.docker.frames import all_lines
from emulator.runners.docker.reading import News, log_of, stored

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

pytestmark = pytest.mark.docker

WITHOUT_NEWLINE = "print('first')\nprint('last', end='')"
TALKS = "import time\nwhile True: print('word'); time.sleep(0.01)"


def name_of(bench: "DockerBench") -> str:
    return f"cmle-{bench.instance}-site-master-0"


def test_a_log_is_whole_with_its_last_piece(contained: "DockerBench") -> None:
    async def work() -> None:
        await contained.start(WITHOUT_NEWLINE)
        followed = [frame async for frame in log_of(contained.engine, name_of(contained))]
        assert followed == await stored(contained.engine, name_of(contained))
        assert [line.text for line in all_lines(followed)] == ["first", "last"]
        (last,) = await stored(contained.engine, name_of(contained), tail=1)
        assert last == followed[-1]

    contained.run(work())


def test_nobodys_log_is_refused(contained: "DockerBench") -> None:
    async def work() -> None:
        async for _ in log_of(contained.engine, f"cmle-{secrets.token_hex(6)}"):
            raise AssertionError

    with pytest.raises(Refusal, match="No such container"):
        contained.run(work())


def test_its_thread_ends_with_the_reader(contained: "DockerBench") -> None:
    def reads() -> bool:
        return any(
            thread.name == f"log of {name_of(contained)}" for thread in threading.enumerate()
        )

    async def work() -> None:
        await contained.start(TALKS)
        frames = log_of(contained.engine, name_of(contained))
        await anext(frames)
        assert reads()
        await frames.aclose()  # type: ignore[attr-defined]
        await contained.until(lambda: not reads(), "the end of the thread")

    contained.run(work())


def test_a_bell_rings_for_its_own_container(contained: "DockerBench") -> None:
    async def work() -> None:
        label = f"cmle.instance={contained.instance}"
        news = News(contained.engine, label, lambda: None)
        with news.bell(name_of(contained)) as own, news.bell("another") as other:
            news.begin()
            ref = await contained.start("import time\ntime.sleep(600)")
            own.clear()
            other.clear()
            await contained.runner.stop([ref], 0.0)
            await own.wait()
            assert not other.is_set()
        news.close()

    contained.run(work())
