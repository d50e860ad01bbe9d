"""An event loop on a thread of its own, with something open on it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Over(ConnectionError):
    """The block has ended, and with it all that could answer."""


class Background(Generic[T]):
    """``with Background(opens) as background``: ``inside`` is what ``opens`` gave."""

    inside: T

    def __init__(self, opens: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._opens = opens
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="cmle-intercept", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._ready.result()
        except BaseException:
            self._thread.join()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def submit(self, work: Coroutine[Any, Any, R]) -> "Future[R]":
        """Run something on the loop; Over when there is none any more."""
        if self._loop is None:
            work.close()
            raise Over("The interception that this connection was made in is over.")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _main(self) -> None:
        self._ended = asyncio.Event()
        async with self._opens() as self.inside:
            self._loop = asyncio.get_running_loop()
            self._ready.set_result(None)
            await self._ended.wait()
