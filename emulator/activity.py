"""When each replica last did something: printed a line, or used the CPU."""

from collections.abc import Mapping
from typing import Final

WORKING: Final = 0.02  # of a CPU: a server that only waits uses less


class Activity:
    """Told of lines and of CPU seconds, by label and with the time of either in seconds."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._used: dict[str, tuple[float, float]] = {}

    def begin(self, label: str, now: float) -> None:
        """A replica was started, or found again; also, it printed a line."""
        self._last[label] = now

    def used(self, seconds: Mapping[str, float], now: float) -> None:
        """CPU seconds used so far; less than before is a new life of the replica."""
        for label, total in seconds.items():
            at, before = self._used.get(label, (now, total))
            if total < before or total - before > WORKING * (now - at):
                self._last[label] = now
            self._used[label] = (now, total)

    def quiet_s(self, label: str, now: float) -> float:
        """Since when it did nothing."""
        return now - self._last.get(label, now)
