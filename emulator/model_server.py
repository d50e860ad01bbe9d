"""A running model server, as seen over its socket and by the end of its process."""

import asyncio
import json
from typing import Any, Final

from emulator.cluster import Exit, Ref
from emulator.runners import Runner
from emulator.upstream import Broken, Unreachable, Upstream

LOAD_FAILED: Final = "cmle-prediction-server: load failed: "  # the server's last line, then JSON
_HEADERS: Final = [(b"content-type", b"application/json")]
_SILENCE_S: Final = 3600.0  # callers have their own, shorter patience
_CONNECTIONS: Final = 64
_RETRY_S: Final = 0.02
_NEWS_S: Final = 1.0  # how late the news of an end may be
_LAST_LINES: Final = 20


class ModelServer:
    """To be used from one event loop; ``let_go`` ends the use, not the server.

    ``address`` is where its socket is reached, see ``Runner.reach``.
    """

    def __init__(self, runner: Runner, ref: Ref, address: str | tuple[str, int]) -> None:
        self.ref = ref
        self.asked = asyncio.get_running_loop().time()
        self.open_requests = 0
        self._runner = runner
        self._upstream = Upstream(address, idle_s=_SILENCE_S, max_idle=_CONNECTIONS)
        self._ended = asyncio.create_task(runner.wait(ref))

    @property
    def is_over(self) -> bool:
        return self._ended.done()

    async def ask(self, body: bytes, within_s: float) -> tuple[int, bytes]:
        """HTTP status and body of a prediction.

        Raises Unreachable (it has not got the request), Broken or TimeoutError.
        """
        self.open_requests += 1
        exchange = asyncio.create_task(self._exchange("POST", "/predict", body))
        try:
            await self._first_of(exchange, within_s)
            if not exchange.done() and not self.is_over:
                raise TimeoutError(f"the model server took more than {within_s:g} s")
            if exchange.done() and not isinstance(exchange.exception(), Broken):
                return exchange.result()
            if await self.ends():
                raise Broken(f"the model server {self._end()}")
            return exchange.result()
        finally:
            await cancel(exchange)
            self.open_requests -= 1
            self.asked = asyncio.get_running_loop().time()

    async def healthy(self, within_s: float, *, patient: bool) -> bool:
        """Whether it says that it has its model, before it ends and the time is over.

        The patient also wait for its socket.
        """
        health = asyncio.create_task(self._health(patient=patient))
        try:
            await self._first_of(health, within_s)
            return health.done() and health.result()
        finally:
            await cancel(health)

    async def ends(self) -> bool:
        """Whether it has ended, asked when it breaks connections."""
        await asyncio.wait((self._ended,), timeout=_NEWS_S)
        return self.is_over

    async def failure(self) -> str:
        """Why it did not get ready, in its own words where it had some."""
        if not self.is_over:
            return "the model was not loaded in time"
        lines = [line.text async for line in self._runner.follow(self.ref, 0)]
        for line in reversed(lines):
            if line.startswith(LOAD_FAILED):
                return str(json.loads(line.removeprefix(LOAD_FAILED)))
        return "\n".join([f"the model server {self._end()}", *lines[-_LAST_LINES:]])

    async def let_go(self) -> None:
        """Close the connections to it; requests under way break."""
        await self._upstream.aclose()
        await cancel(self._ended)

    async def _exchange(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        answer = await self._upstream.send(method, target, _HEADERS, body)
        return answer.status, await answer.read()

    async def _health(self, *, patient: bool) -> bool:
        while True:
            try:
                status, _ = await self._exchange("GET", "/health", None)
            except (Unreachable, Broken):
                if not patient:
                    return False
                await asyncio.sleep(_RETRY_S)
            else:
                return status == 200  # noqa: PLR2004

    async def _first_of(self, task: asyncio.Task[Any], within_s: float) -> None:
        await asyncio.wait(
            (task, self._ended), timeout=within_s, return_when=asyncio.FIRST_COMPLETED
        )

    def _end(self) -> str:
        """How it ended, after "the model server"."""
        if self._ended.cancelled():
            return "was stopped"
        if (error := self._ended.exception()) is not None:
            return f"was lost: {error}"
        return _described(self._ended.result())


def _described(end: Exit) -> str:
    if end.out_of_memory:
        return "ran out of memory"
    if end.signal is not None:
        return f"was ended by signal {end.signal}"
    if end.code is not None:
        return f"ended with status {end.code}"
    return f"is gone. {end.message}"


async def cancel(task: asyncio.Task[Any]) -> None:
    """End a task and look at what came of it, so that nobody complains."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()
