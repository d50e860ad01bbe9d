"""A socket as ``http.client`` uses it, with an interception at its far end."""

import io
from collections.abc import Callable
from typing import Any

from emulator.testing.background import Over


class Duplex:
    """Collects a request; whoever reads gets its answer."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._sent = bytearray()

    def sendall(self, data: Any, _flags: int = 0) -> None:
        self._sent += data

    def makefile(self, _mode: str = "rb", _buffering: int = -1) -> io.BytesIO:
        request, self._sent = bytes(self._sent), bytearray()
        try:
            return io.BytesIO(self._answer(request))
        except Over:
            return io.BytesIO()  # as a kept connection whose server has gone: clients make another

    def settimeout(self, _seconds: float | None) -> None:
        """There is nothing to wait for."""

    def setsockopt(self, *_: Any) -> None:
        """There is no socket to set anything of."""

    def close(self) -> None:
        """There is nothing to close."""
