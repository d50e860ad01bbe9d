"""Golden files: instances, and the predictions that they had when somebody looked at them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from emulator.comparison import Tolerance, differences
from emulator.errors import OperatorError


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a golden file holds; it is meant to be read and reviewed by people."""

    instances: list[Any]
    predictions: list[Any]
    tolerance: Tolerance = Tolerance()

    def differences(self, predictions: Sequence[Any]) -> list[str]:
        """How predictions differ from the golden ones, in words."""
        if len(predictions) != len(self.predictions):
            return [f"expected {len(self.predictions)} predictions, found {len(predictions)}"]
        return [
            difference
            for number, (want, have) in enumerate(zip(self.predictions, predictions, strict=True))
            for difference in _both_ways(want, have, f"prediction {number}", self.tolerance)
        ]


def _both_ways(want: Any, have: Any, where: str, tolerance: Tolerance) -> list[str]:
    """Differences; here a key that is new counts as well."""
    found = list(differences(want, have, where, tolerance))
    if isinstance(want, dict) and isinstance(have, dict):
        found += [f"{where}: the key {key!r} is new" for key in sorted(have.keys() - want.keys())]
    return found


def read(path: Path) -> Golden:
    """A golden file; OperatorError if it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Golden)
    except OSError as error:
        raise OperatorError(
            f"The golden file {path} cannot be read: {error.strerror}. --update-golden writes it."
        ) from error
    except msgspec.DecodeError as error:
        raise OperatorError(f"The golden file {path} is none: {error}.") from error


def write(path: Path, golden: Golden) -> None:
    """Write a golden file, one instance and one prediction a line, so that a diff can be read."""
    try:
        text = _written(golden)
    except ValueError as error:
        raise OperatorError(
            f"{path} is not written: a prediction has NaN or an infinity ({error})."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _written(golden: Golden) -> str:
    tolerance = _line(msgspec.to_builtins(golden.tolerance))
    parts = [
        f'  "{name}": [\n' + ",\n".join(f"    {_line(row)}" for row in rows) + "\n  ]"
        for name, rows in (("instances", golden.instances), ("predictions", golden.predictions))
    ]
    return "{\n" + ",\n".join([*parts, f'  "tolerance": {tolerance}']) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
