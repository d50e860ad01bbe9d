"""The published API as data: methods, messages, fields and enums of ``ml`` v1."""

import math
import re
from functools import cache
from typing import Any, Final, Literal

import msgspec

from emulator.shipped import DATA

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DURATION: Final = re.compile(r"(-?\d{1,12}(?:\.\d{1,9})?)s", re.ASCII)


class Field(msgspec.Struct, frozen=True):
    """``type`` is a format of the discovery document, "message" (``of``) or "enum" (``values``).

    ``output`` marks what only the service writes.
    """

    type: str
    of: str = ""
    values: tuple[str, ...] = ()
    many: Literal["", "list", "map"] = ""
    output: bool = False
    default: str = ""


class Method(msgspec.Struct, frozen=True):
    """``path`` has one variable, ``{+name}``, whose form is ``pattern``."""

    http: str
    path: str
    pattern: str
    query: dict[str, Field]
    request: str
    response: str
    scopes: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, rename="camel"):
    """The whole of emulator/data/ml.v1.json; ``parameters`` go with every method."""

    name: str
    version: str
    revision: str
    title: str
    canonical_name: str
    documentation_link: str
    scopes: tuple[str, ...]
    parameters: dict[str, Field]
    methods: dict[str, Method]
    messages: dict[str, dict[str, Field]]


@cache
def table() -> Table:
    """Read the table; once a process."""
    return msgspec.json.decode((DATA / "ml.v1.json").read_bytes(), type=Table)


@cache
def snake(name: str) -> str:
    """``consumedMLUnits`` → ``consumed_ml_units``."""
    return _HUMP.sub("_", name).lower()


@cache
def names(message: str) -> dict[str, tuple[str, Field]]:
    """A message's fields by both spellings, ``jobId`` and ``job_id``; camelCase wins."""
    fields = table().messages[message]
    found = {snake(name): (name, field) for name, field in fields.items()}
    return found | {name: (name, field) for name, field in fields.items()}


def type_name(message: str) -> str:
    """``GoogleCloudMlV1__Job`` → ``google.cloud.ml.v1.Job``."""
    package, _, rest = message.partition("_")
    return ".".join([snake(package).replace("_", "."), *rest.lstrip("_").split("_")])


def duration_s(text: str) -> float:
    """``"3600s"`` → 3600.0; ValueError if it is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"Not a duration: {text}")
    return float(found[1])


def duration(seconds: float) -> str:
    """3600.0 → ``"3600s"``, to the microsecond."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def publish(message: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Give a message's fields the published JSON form: 64-bit integers become strings."""
    known = table().messages[message]
    return {name: _published(known[name], value) for name, value in fields.items()}


def _published(field: Field, value: Any) -> Any:
    if field.many == "list":
        return [_one(field, item) for item in value]
    if field.many == "map":
        return {key: _one(field, item) for key, item in value.items()}
    return _one(field, value)


def _one(field: Field, value: Any) -> Any:
    match field.type:
        case "message":
            return publish(field.of, value)
        case "int64":
            return str(value)
        case "double" if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case _:
            return value
