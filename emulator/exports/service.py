"""What the service says of exports, where the emulator's own deployment does not say it."""

import json
from typing import Any, Final

from emulator.deployment import FIELD, MODEL_TARGET, bad_model
from emulator.errors import Violation
from emulator.savedmodel import BINARY, SERVE, TEXT

MOST_TEXT: Final = 120
MOST: Final = 8  # names in one message


def no_saved_model(place: str) -> str:
    names = f"[{BINARY}, {TEXT}]"
    text = f"Deployment directory {place} is expected to contain exactly one of: {names}."
    return str(Violation(FIELD, text))


def bad_data(reason: str) -> str:
    """For a SavedModel that TensorFlow cannot load."""
    return bad_model(f"Failed to load the model due to bad model data. tags: ['{SERVE}']\n{reason}")


def bad_file(name: str, reason: str) -> str:
    """For a scikit-learn or XGBoost model that cannot be loaded."""
    return bad_model(f"Could not load the model: {MODEL_TARGET}/{name}. {reason}.")


def failed(reason: str) -> str:
    """For a request that the model cannot answer."""
    return f"Prediction failed: {reason}"


def shown(value: Any) -> str:
    """A JSON value for a sentence, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"


def listed(names: list[str]) -> str:
    """Names for a sentence, not too many of them."""
    shown = ", ".join(names[:MOST])
    return f"{shown} and {len(names) - MOST} more" if len(names) > MOST else shown


def sized(size: int) -> str:
    """A number of bytes for a person."""
    value = float(size)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
