"""Assertions for the tests of a trainer; each says what it expected and what it found."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from emulator.outcome import Outcome
from emulator.savedmodel import DEFAULT_SIGNATURE, SERVE, SavedModel, SavedModelError, Signature
from emulator.states import JobState

TOLERANCE: Final = 1e-3


def assert_job_succeeded(outcome: Outcome) -> None:
    """The job ended as SUCCEEDED; else its error message and the end of its log."""
    if outcome.state is JobState.SUCCEEDED:
        return
    raise AssertionError(
        f"job {outcome.job_id}: expected SUCCEEDED, found {outcome.state}\n"
        f"errorMessage: {outcome.error_message or '(none)'}\n"
        f"last lines of its log:\n{outcome.last_lines()}"
    )


def assert_servable(
    saved_model: SavedModel | Path | str,
    signature: str = DEFAULT_SIGNATURE,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Signature:
    """A model server could load this SavedModel and answer; answers the signature.

    ``inputs`` and ``outputs`` name tensors that the signature must have.
    """
    model = saved_model if isinstance(saved_model, SavedModel) else _read(Path(saved_model))
    graphs = model.tagged(SERVE)
    if not graphs:
        tags = [", ".join(graph.tags) or "(no tag)" for graph in model.meta_graphs]
        raise AssertionError(f"expected a graph tagged {SERVE!r}, found {tags or 'no graph'}")
    offered = graphs[0].callable_signatures
    if signature not in offered:
        raise AssertionError(
            f"expected the signature {signature!r}, found {sorted(offered) or 'none'}"
        )
    found = offered[signature]
    _has(f"inputs of {signature!r}", inputs, found.inputs)
    _has(f"outputs of {signature!r}", outputs, found.outputs)
    if not found.outputs:
        raise AssertionError(f"expected {signature!r} to have outputs, found none")
    return found


def assert_predictions(
    answer: Any,
    expected: Sequence[Any] | None = None,
    *,
    count: int | None = None,
    tolerance: float = TOLERANCE,
) -> list[Any]:
    """An answer of ``predict`` holds predictions, all finite, and those that are expected.

    ``expected`` may name only some keys of each prediction; numbers may differ by
    ``tolerance``, relatively (absolutely below one). Answers the predictions.
    """
    predictions = answer.get("predictions") if isinstance(answer, dict) else answer
    if not isinstance(predictions, list):
        raise AssertionError(f"expected a list of predictions, found {answer!r}")  # noqa: TRY004 - an assertion
    count = len(expected) if count is None and expected is not None else count
    if count is not None and len(predictions) != count:
        raise AssertionError(
            f"expected {count} predictions, found {len(predictions)}: {predictions!r}"
        )
    for number, prediction in enumerate(predictions):
        for where, value in _numbers(prediction, f"prediction {number}"):
            if not math.isfinite(value):
                raise AssertionError(f"{where}: expected a finite number, found {value}")
    differences = [
        difference
        for number, (want, have) in enumerate(zip(expected or (), predictions, strict=False))
        for difference in _differences(want, have, f"prediction {number}", tolerance)
    ]
    if differences:
        raise AssertionError("\n".join(differences))
    return predictions


def _read(folder: Path) -> SavedModel:
    try:
        return SavedModel.read(folder)
    except SavedModelError as error:
        raise AssertionError(f"expected a SavedModel in {folder}: {error}") from error


def _has(what: str, expected: Sequence[str], found: dict[str, Any]) -> None:
    if missing := sorted(set(expected) - set(found)):
        raise AssertionError(f"{what}: expected {missing} too, found {sorted(found)}")


def _numbers(value: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield where, value
    elif isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        yield where, float(value.replace("Infinity", "inf"))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{where}[{key!r}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{where}[{index}]")


def _differences(want: Any, have: Any, where: str, tolerance: float) -> Iterator[str]:
    if isinstance(want, dict) and isinstance(have, dict):
        for key, item in want.items():
            if key in have:
                yield from _differences(item, have[key], f"{where}[{key!r}]", tolerance)
            else:
                yield f"{where}: expected the key {key!r}, found {sorted(have)}"
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (left, right) in enumerate(zip(want, have, strict=True)):
            yield from _differences(left, right, f"{where}[{index}]", tolerance)
    elif not _same(want, have, tolerance):
        yield f"{where}: expected {want!r}, found {have!r}"


def _same(want: Any, have: Any, tolerance: float) -> bool:
    numbers = (int, float)
    if isinstance(want, numbers) and isinstance(have, numbers) and not isinstance(want, bool):
        return math.isclose(want, have, rel_tol=tolerance, abs_tol=tolerance)
    return bool(want == have)
