"""A request's JSON, walked once against the schema: all that is wrong with it in one answer.

Names are strict, in camelCase or snake_case; values are as tolerant as Google's own parser
(numbers as strings, enum names in any case or as numbers, null for absent).
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from emulator import schema
from emulator.errors import BAD_REQUEST_TYPE, InvalidArgument
from emulator.schema import Field

# What gcloud's own client knows and the published document does not (service reference §1.4).
IGNORED: Final[Mapping[str, frozenset[str]]] = {
    "GoogleCloudMlV1__Job": frozenset({"explanation_input", "explanation_output"}),
    "GoogleCloudMlV1__TrainingInput": frozenset({"nas_job_spec"}),
    "GoogleCloudMlV1__TrainingOutput": frozenset({"nas_job_output"}),
    "GoogleCloudMlV1__PredictionInput": frozenset(
        {"accelerator", "framework", "initial_worker_count", "tags_override", "worker_type"}
    ),
    "GoogleCloudMlV1__Scheduling": frozenset({"strategy", "resilient_to_worker_restart"}),
    "GoogleCloudMlV1__Version": frozenset({"image_uri", "model_class"}),
    "GoogleCloudMlV1__ExplanationConfig": frozenset(
        {"ablation_attribution", "saabas_attribution", "tree_shap_attribution"}
    ),
}
EXTRA_VALUES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("GoogleCloudMlV1__HyperparameterSpec", "algorithm"): ("POPULATION_BASED_TRAINING",),
}
# Enums that are declared outside of the message that uses them.
ENUM_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("GoogleCloudMlV1__AcceleratorConfig", "type"): "google.cloud.ml.v1.AcceleratorType",
    ("GoogleCloudMlV1__Version", "framework"): "google.cloud.ml.v1.Framework",
}
PREFIX: Final = "Invalid JSON payload received."
MAX_DEPTH: Final = 100

_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|NaN|-?Infinity", re.ASCII)
_BASE64URL: Final = str.maketrans("-_", "+/")
_INT_RANGE: Final = {"int32": 1 << 31, "int64": 1 << 63}
_TYPES: Final = {
    "string": "TYPE_STRING",
    "google-fieldmask": "TYPE_STRING",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "double": "TYPE_DOUBLE",
    "boolean": "TYPE_BOOL",
    "byte": "TYPE_BYTES",
    "google-datetime": "type.googleapis.com/google.protobuf.Timestamp",
    "google-duration": "type.googleapis.com/google.protobuf.Duration",
}


class Problem(msgspec.Struct, frozen=True):
    """Something wrong at a dotted snake_case path."""

    path: str
    text: str


def refuse(problems: list[Problem]) -> InvalidArgument:
    """One answer for all problems, in the form of Google's parser."""
    violations = [
        {**({"field": it.path} if it.path else {}), "description": it.text} for it in problems
    ]
    return InvalidArgument(
        "\n".join(problem.text for problem in problems),
        [{"@type": BAD_REQUEST_TYPE, "fieldViolations": violations}],
    )


def parse(body: bytes) -> Any:
    """Read JSON; InvalidArgument if it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{PREFIX} {_sentence(str(error))}") from None
    except RecursionError:
        raise InvalidArgument(f"{PREFIX} Message too deep.") from None


def read(message: str, body: bytes, *, root: str = "") -> dict[str, Any]:
    """Walk a body; answer its known fields in camelCase with values of Python's types.

    ``root`` is the request's field that the body is (``job``); "" if it is the whole request.
    """
    document = parse(body) if body.strip() else {}
    walk = _Walk()
    answer = walk.message(message, document, root, 0)
    if walk.problems:
        raise refuse(walk.problems)
    return answer


def root_of(message: str) -> str:
    """The path that a request's body starts with: ``job`` for a Job, none for a …Request."""
    last = message.rpartition("_")[2]
    return "" if last.endswith("Request") else schema.snake(last)


def read_query(known: Mapping[str, Field], given: Mapping[str, str]) -> dict[str, Any]:
    """Check query parameters; answer the method's own in camelCase."""
    everywhere = schema.table().parameters
    spellings = {schema.snake(name): name for name in (*known, *everywhere)}
    spellings |= {name: name for name in spellings.values()}
    spellings |= {f"${name}": name for name in everywhere} | {"x__xgafv": "$.xgafv"}
    walk, answer = _Walk(), {}
    for key, text in given.items():
        name = spellings.get(key)
        if name is None:
            walk.problem("", _unbound(key))
        elif name in known and text:
            answer[name] = walk.scalar(_At("", name, known[name], schema.snake(name), 0), text)
    if walk.problems:
        raise refuse(walk.problems)
    return answer


class _Walk:
    """One pass over a document that collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, path: str, text: str) -> None:
        self.problems.append(Problem(path, text))

    def unknown(self, path: str, name: str, reason: str) -> None:
        where = f" at '{path}'" if path else ""
        self.problem(path, f'{PREFIX} Unknown name "{name}"{where}: {reason}')

    def invalid(self, path: str, type_name: str, value: str) -> None:
        where = f" at '{path}'" if path else ""
        self.problem(path, f"Invalid value{where} ({type_name}), {value}")

    def message(self, message: str, value: Any, path: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            if depth == 0:
                self.unknown(path, "", "Root element must be a message.")
            else:
                name = f"type.googleapis.com/{schema.type_name(message)}"
                self.invalid(path, name, _shown(value))
            return {}
        if depth > MAX_DEPTH:
            self.problem(path, f"{PREFIX} Message too deep.")
            return {}
        answer: dict[str, Any] = {}
        known = schema.names(message)
        for key, item in value.items():
            if key in known:
                name, field = known[key]
                at = _At(message, name, field, f"{path}.{schema.snake(name)}".lstrip("."), depth)
                if item is not None:
                    answer[name] = self.field(at, key, item)
            elif schema.snake(key) not in IGNORED.get(message, ()):
                self.unknown(path, key, "Cannot find field.")
        return answer

    def field(self, at: "_At", key: str, value: Any) -> Any:
        if at.field.many == "list":
            # Google's parser takes a single value for a list of one.
            items = value if isinstance(value, list) else [value]
            return [
                self.one(at.within(f"[{index}]"), item)
                for index, item in enumerate(items)
                if item is not None
            ]
        if at.field.many == "map":
            return self.map(at, value)
        if isinstance(value, list):
            parent = at.path.rpartition(".")[0]
            self.unknown(parent, key, "Proto field is not repeating, cannot start list.")
            return None
        return self.one(at, value)

    def map(self, at: "_At", value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            given = "list" if isinstance(value, list) else "scalar"
            last = at.path.rpartition(".")[2]
            self.invalid(at.path, "Map", f"Cannot bind a {given} to map for field '{last}'.")
            return {}
        return {
            key: self.one(at.within(f"[{index}].value"), item)
            for index, (key, item) in enumerate(value.items())
        }

    def one(self, at: "_At", value: Any) -> Any:
        if at.field.type == "message":
            return self.message(at.field.of, value, at.path, at.depth + 1)
        if isinstance(value, dict) and at.field.type != "any":
            parent, _, last = at.path.rpartition(".")
            self.invalid(parent, last, "Starting an object on a scalar field")
            return None
        return self.scalar(at, value)

    def scalar(self, at: "_At", value: Any) -> Any:
        if at.field.type == "enum":
            values = (*at.field.values, *EXTRA_VALUES.get((at.message, at.name), ()))
            found = _enum(values, value)
            if found is None:
                self.invalid(at.path, _enum_name(at.message, at.name), _shown(value))
            return found
        if at.field.type == "any":
            return value
        found = _SCALARS[at.field.type](at.field.type, value)
        if found is None:
            self.invalid(at.path, _TYPES[at.field.type], _reason(at.field.type, at.name, value))
        return found


class _At(msgspec.Struct, frozen=True):
    """Where a value stands: a field of a message, its path, and how deep the message lies."""

    message: str
    name: str
    field: Field
    path: str
    depth: int

    def within(self, suffix: str) -> "_At":
        return msgspec.structs.replace(self, path=self.path + suffix)


def _string(_: str, value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(kind: str, value: Any) -> int | None:
    if isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) else None
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    else:
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
    limit = _INT_RANGE[kind]
    return number if number is not None and -limit <= number < limit else None


def _double(_: str, value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _boolean(_: str, value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return value if isinstance(value, bool) else None


def _bytes(_: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = value.translate(_BASE64URL).rstrip("=")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(raw).decode()


def _timestamp(_: str, value: Any) -> str | None:
    try:
        found = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return value if isinstance(value, str) and found.tzinfo is not None else None


def _duration(_: str, value: Any) -> str | None:
    try:
        schema.duration_s(value if isinstance(value, str) else "")
    except ValueError:
        return None
    return str(value)


_SCALARS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "string": _string,
    "google-fieldmask": _string,
    "int32": _integer,
    "int64": _integer,
    "double": _double,
    "boolean": _boolean,
    "byte": _bytes,
    "google-datetime": _timestamp,
    "google-duration": _duration,
}


def _enum(values: tuple[str, ...], value: Any) -> str | None:
    if isinstance(value, str):
        text = value.upper().replace("-", "_")
        if text in values:
            return text
    number = _integer("int32", value)
    return values[number] if number is not None and 0 <= number < len(values) else None


def _enum_name(message: str, name: str) -> str:
    own = f"{schema.type_name(message)}.{name[:1].upper()}{name[1:]}"
    return f"type.googleapis.com/{ENUM_NAMES.get((message, name), own)}"


def _reason(kind: str, name: str, value: Any) -> str:
    shown = _shown(value)
    if kind == "byte" and isinstance(value, str):
        return f"Base64 decoding failed for {shown}"
    if kind == "google-duration" and isinstance(value, str):
        return f"Field '{name}', Illegal duration format; duration must end with 's'"
    if kind == "google-datetime" and isinstance(value, str):
        return f"Field '{name}', Invalid time format: {value}"
    return shown


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def _unbound(key: str) -> str:
    return (
        f'{PREFIX} Unknown name "{key}": Cannot bind query parameter. '
        f"Field '{key}' could not be found in request message."
    )
