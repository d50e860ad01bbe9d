"""Predictions beside those that are expected: differences beyond a tolerance, in words."""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})  # as some writers of JSON put them


class Tolerance(msgspec.Struct, frozen=True):
    """How far numbers may be apart: by a share of the larger one, or by a fixed amount."""

    relative: float = 1e-3
    absolute: float = 1e-3

    def allows(self, want: Any, have: Any) -> bool:
        """Whether two plain values are as good as equal; a boolean is no number."""
        if isinstance(want, bool) != isinstance(have, bool):
            return False
        if not (isinstance(want, int | float) and isinstance(have, int | float)):
            return bool(want == have)
        try:
            return math.isclose(want, have, rel_tol=self.relative, abs_tol=self.absolute)
        except OverflowError:  # an integer that no float can hold
            return bool(want == have)


def differences(want: Any, have: Any, where: str, tolerance: Tolerance) -> Iterator[str]:
    """What ``have`` lacks of ``want``; further keys of objects do not count."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key, item in want.items():
            if key in have:
                yield from differences(item, have[key], f"{where}[{key!r}]", tolerance)
            else:
                yield f"{where}: expected the key {key!r}, found {sorted(have)}"
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (left, right) in enumerate(zip(want, have, strict=True)):
            yield from differences(left, right, f"{where}[{index}]", tolerance)
    elif not tolerance.allows(want, have):
        yield f"{where}: expected {want!r}, found {have!r}"


def numbers(value: Any, where: str) -> Iterator[tuple[str, float]]:
    """Every number that is not whole, and where it stands; NaN and infinities in any spelling."""
    if isinstance(value, float):
        yield where, value
    elif isinstance(value, str) and value in NOT_FINITE:
        yield where, float(value.replace("Infinity", "inf"))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, f"{where}[{key!r}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from numbers(item, f"{where}[{index}]")


def not_finite(predictions: list[Any]) -> Iterator[tuple[str, float]]:
    """Where a prediction has NaN or an infinity."""
    for number, prediction in enumerate(predictions):
        for where, value in numbers(prediction, f"prediction {number}"):
            if not math.isfinite(value):
                yield where, value
