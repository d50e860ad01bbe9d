"""Scripted predictions: a function of the instances, or a table."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from emulator.errors import ApiError, FailedPrecondition, InvalidArgument
from emulator.names import components

FAILURE_STATUS: Final = 200  # as the prediction server answers
Predict = Callable[[list[Any]], Sequence[Any]]
"""From the instances of a request to as many predictions."""
Complain = Callable[[AssertionError], None]


class PredictionError(Exception):
    """Raised by a script, the service's ``{"error": "Prediction failed: …"}``."""


def table(rows: Sequence[tuple[Any, Any]]) -> Predict:
    """Answers each instance that a row begins with by what it ends with.

    Any other instance fails the prediction, as an input that the model does not take.
    """
    known = {_key(instance): prediction for instance, prediction in rows}

    def predict(instances: list[Any]) -> list[Any]:
        for instance in instances:
            if _key(instance) not in known:
                raise PredictionError(f"Input mismatch: no row for {instance!r}")
        return [known[_key(instance)] for instance in instances]

    return predict


class Servers:
    """What answers in place of the versions' servers: by ``model/version``, or by model.

    A script that breaks is the test's fault: ``complain`` is told, and the test fails.
    """

    def __init__(self, script: Mapping[str, Predict], complain: Complain) -> None:
        self._script = script
        self._complain = complain

    async def predict(self, key: str, body: bytes) -> tuple[int, bytes]:
        ids = components(key)
        predict = self._find(f"{ids['models']}/{ids['versions']}")
        instances = _instances(body)
        try:
            # Beside the loop: a script may ask this very service.
            predictions = await asyncio.to_thread(predict, instances)
        except PredictionError as error:
            text = f"Prediction failed: {error}"
            return FAILURE_STATUS, msgspec.json.encode({"error": text})
        except ApiError:
            raise
        except Exception as error:
            broken = AssertionError(f"The scripted prediction of {key} failed: {error!r}")
            broken.__cause__ = error
            self._complain(broken)
            raise
        if len(predictions) != len(instances):
            self._complain(
                AssertionError(
                    f"The scripted prediction of {key} answered {len(predictions)} predictions "
                    f"to {len(instances)} instances."
                )
            )
        return 200, msgspec.json.encode({"predictions": list(predictions)})

    def _find(self, name: str) -> Predict:
        for pattern, predict in self._script.items():
            if fnmatchcase(name, pattern) or fnmatchcase(name.partition("/")[0], pattern):
                return predict
        raise FailedPrecondition(
            f"No predictions are scripted for {name}: pass fake_service(predictions=…)."
        )


def _instances(body: bytes) -> list[Any]:
    try:
        request = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"Invalid JSON payload received. {error}") from None
    if not isinstance(request, dict):
        raise InvalidArgument("Invalid JSON payload received. The request is not an object.")
    if not isinstance(request.get("instances"), list):
        raise InvalidArgument('Missing "instances" field in request body.')
    return list(request["instances"])


def _key(instance: Any) -> bytes:
    return msgspec.json.encode(instance, order="sorted")
