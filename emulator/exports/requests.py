"""The requests that a model's server is asked: the user's instances, alone, together, and wrong."""

import base64
from typing import Any, Final

from emulator.savedmodel import DEFAULT_SIGNATURE, Signature

MOST_SINGLES: Final = 50
MOST_BASE64: Final = 5
NO_SUCH_INPUT: Final = "cmle_no_such_input"


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
