"""The requests that a model's server is asked: the user's instances, alone, together, and wrong."""

import base64
import math
from typing import Any, Final

from emulator.savedmodel import DEFAULT_SIGNATURE, Signature, Tensor

MOST_SINGLES: Final = 50
MOST_BASE64: Final = 5
NO_SUCH_INPUT: Final = "cmle_no_such_input"
_MOST_NUMBERS: Final = 100_000  # in a tensor that is made up
_MADE: Final[dict[str, tuple[Any, Any]]] = {
    **dict.fromkeys(("float16", "bfloat16", "float32", "float64"), (0.5, 1.0)),
    **dict.fromkeys(("int8", "uint8", "int16", "uint16"), (0, 1)),
    **dict.fromkeys(("int32", "uint32", "int64", "uint64"), (0, 1)),
    "string": ("a", "b"),
    "bool": (True, False),
}


def chosen(signatures: dict[str, Signature], name: str) -> Signature | None:
    """The signature that a request gets, as the service chooses it."""
    if not name and len(signatures) == 1:
        return next(iter(signatures.values()))
    return signatures.get(name or DEFAULT_SIGNATURE)


def named(instance: Any, signature: Signature) -> dict[str, Any]:
    """An instance by input alias; empty if it cannot be."""
    if isinstance(instance, dict) and not is_base64(instance):
        return instance
    return {next(iter(signature.inputs)): instance} if len(signature.inputs) == 1 else {}


def is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def in_base64(instance: Any, signature: Signature) -> Any:
    """The instance with every text of a string input as b64; None if it has none."""
    found = False

    def encoded(value: Any) -> Any:
        nonlocal found
        if isinstance(value, str):
            found = True
            return {"b64": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}
        return [encoded(item) for item in value] if isinstance(value, list) else value

    inputs = {
        alias: encoded(value) if _takes_text(signature, alias) else value
        for alias, value in named(instance, signature).items()
    }
    return inputs if found else None


def _takes_text(signature: Signature, alias: str) -> bool:
    return alias in signature.inputs and signature.inputs[alias].dtype == "string"


def wrong(instance: Any, signature: Signature) -> dict[str, Any]:
    """An instance that no service may answer: a text for a number, else an unknown input."""
    inputs = named(instance, signature)
    for alias, tensor in signature.inputs.items():
        if tensor.dtype != "string" and alias in inputs:
            return {**inputs, alias: "no number"}
    return {**inputs, NO_SUCH_INPUT: 0}


def made(signature: Signature) -> list[dict[str, Any]]:
    """Two instances of the types and shapes of a signature; none where it does not tell enough.

    A dimension that may be of any size is 1.
    """
    if not signature.inputs or not all(map(_can_be_made, signature.inputs.values())):
        return []
    return [
        {alias: _made(tensor, number) for alias, tensor in signature.inputs.items()}
        for number in range(2)
    ]


def _can_be_made(tensor: Tensor) -> bool:
    size = math.prod(_inner(tensor))
    return tensor.encoding == "dense" and tensor.dtype in _MADE and 0 < size <= _MOST_NUMBERS


def _made(tensor: Tensor, number: int) -> Any:
    value = _MADE[tensor.dtype][number]
    for size in reversed(_inner(tensor)):
        value = [value] * size
    return value


def _inner(tensor: Tensor) -> list[int]:
    """The shape of one row."""
    return [1 if size is None else size for size in (tensor.shape or ())[1:]]
