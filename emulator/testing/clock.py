"""Virtual time: it stands still until somebody advances it, sleeps by it or polls."""

import contextlib
import threading
import time
from collections.abc import Iterator


class Clock:
    """Called, it answers seconds since the epoch, as ``time.time`` does."""

    def __init__(self, start: float | None = None) -> None:
        self._start = float(int(time.time()) if start is None else start)
        self._now = self._start
        self._replayed: float | None = None
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._now if self._replayed is None else self._replayed

    @property
    def now(self) -> float:
        """The time that has been reached, also while something earlier is being caught up."""
        return self._now

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the clock began."""
        return self._now - self._start

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due is done when somebody looks."""
        if seconds < 0:
            raise ValueError(f"Time does not run backwards: {seconds}")
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float) -> None:
        """``time.sleep`` that takes no time: for code that takes its sleep as an argument."""
        self.advance(seconds)

    @contextlib.contextmanager
    def replaying(self, moment: float) -> Iterator[None]:
        """Answer an earlier time: what was due then is being done only now."""
        self._replayed = moment
        try:
            yield
        finally:
            self._replayed = None
