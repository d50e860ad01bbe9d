"""One interception: which hosts it answers for, and the requests that it has answered."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from emulator.errors import OperatorError
from emulator.gateway.routes import is_google, is_loopback, is_of_google
from emulator.testing.background import Background
from emulator.testing.clock import Clock
from emulator.testing.exchange import Origin, exchange, status_of
from emulator.testing.world import World

if TYPE_CHECKING:
    from concurrent.futures import Future

LONGEST_SLEEP_S = 0.05  # of an SDK, where time is real


class Unmatched(AssertionError):
    """A request to a host that nothing answers for."""


class Seen(msgspec.Struct, frozen=True):
    """A request that was answered."""

    method: str
    url: str
    status: int


class Interception:
    """What ``intercept`` gives: ``requests`` are those answered so far, ``project`` the default.

    ``clock`` is virtual time, ``complaints`` are why the test must fail though its own code may
    have caught them.
    """

    def __init__(
        self,
        project: str,
        clock: Clock | None,
        *,
        allow_network: bool,
        sleep_in: tuple[str, ...] = (),
    ) -> None:
        self.project = project
        self.sleep_in = sleep_in
        self.requests: list[Seen] = []
        self.complaints: list[AssertionError] = []
        self._clock = clock
        self._allow_network = allow_network
        self._background: Background[World]

    def begin(self, background: Background[World]) -> None:
        self._background = background

    @property
    def clock(self) -> Clock:
        if self._clock is None:
            raise OperatorError(
                "A running emulator keeps real time. Virtual time needs intercept(fake_service())."
            )
        return self._clock

    def complain(self, error: AssertionError) -> None:
        """Fail the test at the end of the block at the latest."""
        self.complaints.append(error)

    def answers(self, origin: Origin, method: str, target: str) -> bool:
        """Whether this request is answered here; False lets it pass, Unmatched fails the test."""
        if is_google(origin.host):
            return True
        outside = not is_of_google(origin.host)
        if outside and (self._allow_network or is_loopback(origin.host)):
            return False
        why = (
            "nothing outside is allowed: intercept(allow_network=True) would let it pass"
            if outside
            else "the emulator serves no such host of Google's"
        )
        error = Unmatched(f"{method} {origin}{target} was not answered: {why}.")
        self.complain(error)
        raise error

    def answer(self, origin: Origin, request: bytes) -> bytes:
        """Answer a request while its thread waits."""
        return self._submit(origin, request).result()

    async def answer_async(self, origin: Origin, request: bytes) -> bytes:
        """Answer a request while its loop goes on; another kind of loop than asyncio's waits."""
        future = self._submit(origin, request)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return future.result()
        return await asyncio.wrap_future(future)

    def sleep(self, seconds: float) -> float:
        """Let an SDK sleep in virtual time; answers for how long it must sleep really."""
        if self._clock is None:
            return min(seconds, LONGEST_SLEEP_S)
        self._clock.advance(max(0.0, seconds))
        return 0.0

    def paths(self, method: str = "") -> Sequence[str]:
        """The URLs asked so far, of one method or of all."""
        return [seen.url for seen in self.requests if method in {"", seen.method}]

    def _submit(self, origin: Origin, request: bytes) -> "Future[bytes]":
        return self._background.submit(self._exchange(origin, request))

    async def _exchange(self, origin: Origin, request: bytes) -> bytes:
        world = self._background.inside
        answer = await exchange(request, origin, world.app)
        await world.settle()
        method, target, _ = request.split(b" ", 2)
        url = f"{origin}{target.decode('latin-1')}"
        self.requests.append(Seen(method.decode("latin-1"), url, status_of(answer)))
        return answer
