"""A fake-gcs-server that somebody else runs, such as a service of docker compose."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from emulator.errors import OperatorError
from emulator.storage.fake_gcs import make_bucket
from emulator.upstream import Upstream

_READY_S: Final = 25.0  # it may start beside us
_POLL_S: Final = 0.1


class OutsideFakeGcs:
    """fake-gcs-server at a URL; it must be for this emulator alone, and keep what it stores.

    While it is away requests wait for it, as for one of our own.
    """

    pid: Final = 0

    def __init__(self, url: str, log: logging.Logger) -> None:
        self._url = url
        self._log = log
        self._upstream = Upstream(_address(url), keep_alive_s=30.0, max_idle=32)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Wait for it; raises OperatorError if it does not answer."""
        try:
            await self._await_answer()
            yield
        finally:
            await self._upstream.aclose()

    async def upstream(self) -> Upstream:
        return self._upstream

    async def _await_answer(self) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                while not await make_bucket(self._upstream):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise OperatorError(
                f"fake-gcs-server does not answer at {self._url} (waited {_READY_S:.0f} s). Is it "
                "running, and reachable from here? --fake-gcs-url names another; without it the "
                "emulator starts its own."
            ) from None
        self._log.info("The bytes of objects are in fake-gcs-server at %s", self._url)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port or 4443
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path.strip("/"):
        raise OperatorError(
            f"{url!r} is no address of a fake-gcs-server: give http://HOST:PORT (it must serve "
            "plain HTTP: -scheme http)."
        )
    return parts.hostname, port
