"""``intercept``: Google's hosts answered in this process, for the time of a block."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from starlette.types import ASGIApp

from emulator.gateway import forward
from emulator.gateway.routes import Outside, Place
from emulator.gateway.ways_out import WaysOut
from emulator.testing import seams
from emulator.testing.background import Background
from emulator.testing.clock import Clock
from emulator.testing.exchange import Origin
from emulator.testing.interception import Interception
from emulator.testing.script import FakeService, fake_service
from emulator.testing.world import World, scripted


class Running(Protocol):
    """``emulator.Emulator``, as far as requests are passed on to it."""

    @property
    def url(self) -> str: ...
    @property
    def project(self) -> str: ...


@contextlib.contextmanager
def intercept(
    service: FakeService | Running | None = None,
    *,
    allow_network: bool = True,
    sleep_in: Sequence[str] = (),
) -> Iterator[Interception]:
    """Requests to Google's hosts are answered by ``service``, none leaves the process.

    The service is a script (``fake_service(…)``; without one every job succeeds), or a running
    emulator that really trains. Answered are requests made with requests, httpx, httplib2
    (google-api-python-client) and the standard library. A request to a host of Google's that
    nothing answers for raises Unmatched, here at the latest. Other hosts are reached as ever;
    with ``allow_network=False`` only this machine is.

    Google's SDKs sleep in virtual time, and so do the modules of ``sleep_in`` (and those below).
    """
    script = fake_service() if service is None else service
    clock = Clock(script.start) if isinstance(script, FakeService) else None
    cloud = Interception(
        script.project, clock, allow_network=allow_network, sleep_in=tuple(sleep_in)
    )

    def opens() -> contextlib.AbstractAsyncContextManager[World]:
        if isinstance(script, FakeService):
            return scripted(script, cloud.clock, cloud.complain)
        return _passed_on(script.url)

    with Background(opens) as background:
        cloud.begin(background)
        seams.begin(cloud)
        try:
            yield cloud
        finally:
            seams.end(cloud)
    if cloud.complaints:
        raise cloud.complaints[0]


class _Elsewhere:
    """A gateway's address; it routes by the request's own host."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def app(self, _method: str, _path: str, _place: Place) -> ASGIApp:
        return self._app

    async def settle(self) -> None:
        """Nothing is waited for."""


@contextlib.asynccontextmanager
async def _passed_on(url: str) -> AsyncIterator[World]:
    origin = Origin.of(url)
    yield _Elsewhere(forward.outside(Outside(origin.host, origin.port), WaysOut()))
