"""Train/serve skew: predictions that training recorded beside those of the served model."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator.comparison import Tolerance, differences
from emulator.errors import OperatorError

WORST: Final = 5
_Row = tuple[int, list[str]]


class Recorded(msgspec.Struct, frozen=True):
    """A row as training saw it: what would be sent, and what the model said then."""

    instance: Any
    prediction: Any


class Skew(msgspec.Struct, frozen=True):
    """How many rows differ, the first of them in words, and the mean difference by output."""

    rows: int
    different: int
    examples: tuple[str, ...] = ()
    means: dict[str, float] = {}

    @property
    def share(self) -> float:
        return self.different / self.rows if self.rows else 0.0

    def describe(self) -> str:
        """A line for a person, then the examples."""
        means = ", ".join(f"{name} {value:+.4g}" for name, value in self.means.items())
        head = f"{self.different} of {self.rows} rows differ"
        return "\n".join([f"{head} (mean difference: {means})" if means else head, *self.examples])


def read(path: Path) -> tuple[Recorded, ...]:
    """A recording: a JSON object a line, with ``instance`` and ``prediction``."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The recorded predictions {path} cannot be read: {error}.") from error
    return parse(text, str(path))


def parse(text: str, place: str) -> tuple[Recorded, ...]:
    """The rows of a recording; OperatorError, with the line in ``place``, if it is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.convert(json.loads(line), Recorded))
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            raise OperatorError(
                f"{place}:{number} is no recorded prediction: {error}. Each line is "
                '{"instance": …, "prediction": …}.'
            ) from error
    if not found:
        raise OperatorError(f"{place} holds no recorded prediction.")
    return tuple(found)


def compare(recorded: Sequence[Any], served: Sequence[Any], tolerance: Tolerance) -> Skew:
    """Recorded predictions beside served ones, row by row; they must be as many."""
    if len(recorded) != len(served):
        raise OperatorError(
            f"{len(recorded)} recorded predictions cannot be compared with {len(served)} served."
        )
    pairs = [_aligned(want, have) for want, have in zip(recorded, served, strict=True)]
    rows: list[_Row] = [
        (number, list(differences(want, have, f"row {number}", tolerance)))
        for number, (want, have) in enumerate(pairs)
    ]
    different = [row for row in rows if row[1]]
    gaps: dict[str, list[float]] = {}
    for want, have in pairs:
        for name, gap in _gaps(want, have, ""):
            gaps.setdefault(name, []).append(gap)
    return Skew(
        rows=len(rows),
        different=len(different),
        examples=tuple(found[0] for _, found in different[:WORST]),
        means={name or "prediction": _mean(values) for name, values in gaps.items()},
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _aligned(want: Any, have: Any) -> tuple[Any, Any]:
    """Both in one form: what is recorded bare is compared with a served object's one value."""
    if isinstance(have, dict) and not isinstance(want, dict) and len(have) == 1:
        (have,) = have.values()
    if isinstance(want, dict) and isinstance(have, dict):
        pairs = {key: _unwrapped(want[key], have[key]) for key in want if key in have}
        return (
            {key: pairs[key][0] if key in pairs else value for key, value in want.items()},
            {**have, **{key: pair[1] for key, pair in pairs.items()}},
        )
    return _unwrapped(want, have)


def _unwrapped(want: Any, have: Any) -> tuple[Any, Any]:
    """A number and a list with one number in it are the same thing, to two libraries."""
    if isinstance(have, list) and len(have) == 1 and not isinstance(want, list):
        return want, have[0]
    if isinstance(want, list) and len(want) == 1 and not isinstance(have, list):
        return want[0], have
    return want, have


def _gaps(want: Any, have: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(want, dict) and isinstance(have, dict):
        for key in want.keys() & have.keys():
            yield from _gaps(want[key], have[key], f"{name}.{key}" if name else str(key))
    elif isinstance(want, list) and isinstance(have, list):
        for left, right in zip(want, have, strict=False):
            yield from _gaps(left, right, name)
    elif all(isinstance(it, float) or type(it) is int for it in (want, have)):
        yield name, float(have - want)
