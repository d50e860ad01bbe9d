"""Rows of an answer beside the instances that were asked for: their number and their keys."""

from collections.abc import Iterator, Sequence
from typing import Any


def lost(instances: Sequence[Any], predictions: Sequence[Any], key: str) -> Iterator[str]:
    """Where a prediction does not repeat the value of ``key`` that its instance has."""
    if len(instances) != len(predictions):
        yield f"{len(instances)} instances have {len(predictions)} predictions."
        return
    for number, (instance, prediction) in enumerate(zip(instances, predictions, strict=True)):
        if not isinstance(instance, dict) or key not in instance:
            yield f"Instance {number} has no {key}."
            continue
        want, have = instance[key], prediction.get(key) if isinstance(prediction, dict) else None
        if have not in (want, [want]):
            yield f"Prediction {number} has {have!r} for {key}, its instance {want!r}."
