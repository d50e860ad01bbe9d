import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import pytest

from emulator.testing.background import Background, Over


def test_opens_and_closes_on_its_own_loop() -> None:
    told: list[str] = []

    @contextlib.asynccontextmanager
    async def opens() -> AsyncIterator[str]:
        told.append(threading.current_thread().name)
        yield "inside"
        told.append("closed")

    async def work() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    with Background(opens) as background:
        assert background.inside == "inside"
        assert background.submit(work()).result(10) == "cmle-intercept"
    assert told == ["cmle-intercept", "closed"]


def test_what_cannot_be_opened_is_raised() -> None:
    def opens() -> contextlib.AbstractAsyncContextManager[None]:
        raise LookupError("no")

    threads = threading.active_count()
    with pytest.raises(LookupError, match="no"), Background(opens):
        raise AssertionError
    assert threading.active_count() == threads


def test_nothing_is_run_after_the_end() -> None:
    @contextlib.asynccontextmanager
    async def opens() -> AsyncIterator[None]:
        yield

    async def work() -> None:
        raise AssertionError

    with Background(opens) as background:
        pass
    with pytest.raises(Over, match="is over"):
        background.submit(work())
