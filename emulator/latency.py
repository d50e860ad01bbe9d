"""How long answers take, and what of it is held against a budget."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

SHARE: Final = 0.95  # of the answers must be within a budget


def percentile(seconds: Sequence[float], share: float) -> float:
    """The time within which a share of the answers came: one of the times, not between two."""
    ordered = sorted(seconds)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measured(
    ask: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """How long each of some calls took; one before them, to warm up, is not counted."""
    ask()
    found = []
    for _ in range(repeats):
        began = clock()
        ask()
        found.append(clock() - began)
    return found
