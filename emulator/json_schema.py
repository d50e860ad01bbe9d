"""JSON Schema as far as predictions need it: values checked, and the schema of a signature."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from emulator.errors import OperatorError
from emulator.savedmodel import Signature, Tensor

MAX_DEPTH: Final = 100
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "$defs"}
)
_B64: Final = {
    "type": "object",
    "properties": {"b64": {"type": "string"}},
    "required": ["b64"],
    "additionalProperties": False,
}


def of(signature: Signature) -> dict[str, Any]:
    """The schema of one prediction: an object with a value for each output."""
    properties = {alias: _of_tensor(alias, tensor) for alias, tensor in signature.outputs.items()}
    return {
        "$schema": _DRAFT,
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _of_tensor(alias: str, tensor: Tensor) -> dict[str, Any]:
    if tensor.shape is None:
        return {}
    value = _of_element(alias, tensor.dtype)
    for size in reversed(tensor.shape[1:]):
        limits = {} if size is None else {"minItems": size, "maxItems": size}
        value = {"type": "array", "items": value, **limits}
    return value


def _of_element(alias: str, dtype: str) -> dict[str, Any]:
    if dtype == "string":
        return dict(_B64) if alias.endswith("_bytes") else {"type": "string"}
    if dtype == "bool":
        return {"type": "boolean"}
    return {"type": "integer" if dtype.lstrip("u").startswith("int") else "number"}


def violations(value: Any, schema: Any, where: str) -> Iterator[str]:
    """How a value breaks a schema. OperatorError for a keyword that is not known here."""
    yield from _violations(value, schema, where, 0)


def _violations(value: Any, schema: Any, where: str, depth: int) -> Iterator[str]:
    if schema is True:
        return
    if schema is False:
        yield f"{where}: nothing is allowed here"
        return
    if not isinstance(schema, Mapping):
        raise OperatorError(f"A JSON Schema is an object or a boolean, not {schema!r}.")
    if depth > MAX_DEPTH:
        yield f"{where}: nested too deeply"
        return
    for keyword, limit in schema.items():
        if keyword in _NESTED:
            yield from _NESTED[keyword](value, limit, where, depth + 1, schema)
        elif keyword in _LIMITS:
            if problem := _LIMITS[keyword](value, limit):
                yield f"{where}: {problem}"
        elif keyword not in _PLAIN:
            raise OperatorError(
                f"The JSON Schema keyword {keyword!r} is not known here; known are "
                f"{', '.join(sorted({*_NESTED, *_LIMITS}))}."
            )


# ---- keywords that hold a limit: a sentence's end, or None


def _type(value: Any, names: Any) -> str | None:
    wanted = [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in wanted if name not in _TYPES]:
        raise OperatorError(f"The JSON Schema type {unknown[0]!r} is not known.")
    if any(_TYPES[name](value) for name in wanted):
        return None
    return f"expected {' or '.join(wanted)}, found {_shown(value)}"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or (math.isfinite(value) and value == int(value))


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _number(value) and _is_whole(value),
    "number": _number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _compared(
    measure: Callable[[Any], Any], within: Callable[[Any, Any], bool], words: str
) -> Callable[[Any, Any], str | None]:
    """A keyword that compares a number of the value, if it has one, with its limit."""

    def check(value: Any, limit: Any) -> str | None:
        number = measure(value)
        if number is None or within(number, limit):
            return None
        return f"expected {words.format(limit)}, found {_shown(value)}"

    return check


def _as_number(value: Any) -> Any:
    return value if _number(value) else None


def _items(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str) else None


def _required(value: Any, names: Any) -> str | None:
    missing = [name for name in names if name not in value] if isinstance(value, dict) else []
    return f"expected the key {missing[0]!r}, found {sorted(value)}" if missing else None


_LIMITS: Final[dict[str, Callable[[Any, Any], str | None]]] = {
    "type": _type,
    "enum": lambda value, allowed: (
        None if any(_same(value, it) for it in allowed) else f"{_shown(value)} is none of {allowed}"
    ),
    "const": lambda value, only: None if _same(value, only) else f"{_shown(value)} is not {only!r}",
    "minimum": _compared(_as_number, lambda have, low: have >= low, "at least {}"),
    "maximum": _compared(_as_number, lambda have, high: have <= high, "at most {}"),
    "exclusiveMinimum": _compared(_as_number, lambda have, low: have > low, "more than {}"),
    "exclusiveMaximum": _compared(_as_number, lambda have, high: have < high, "less than {}"),
    "minItems": _compared(_items, lambda have, low: have >= low, "at least {} items"),
    "maxItems": _compared(_items, lambda have, high: have <= high, "at most {} items"),
    "minLength": _compared(_length, lambda have, low: have >= low, "at least {} characters"),
    "maxLength": _compared(_length, lambda have, high: have <= high, "at most {} characters"),
    "pattern": lambda value, pattern: (
        None
        if not isinstance(value, str) or re.search(pattern, value)
        else f"{_shown(value)} does not match {pattern!r}"
    ),
    "required": _required,
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004


# ---- keywords that hold schemas


def _properties(
    value: Any, schemas: Any, where: str, depth: int, _: Mapping[str, Any]
) -> Iterator[str]:
    if isinstance(value, dict):
        for name, schema in schemas.items():
            if name in value:
                yield from _violations(value[name], schema, f"{where}[{name!r}]", depth)


def _additional(
    value: Any, schema: Any, where: str, depth: int, around: Mapping[str, Any]
) -> Iterator[str]:
    if isinstance(value, dict):
        for name in value.keys() - around.get("properties", {}).keys():
            if schema is False:
                yield f"{where}: the key {name!r} is not expected"
            else:
                yield from _violations(value[name], schema, f"{where}[{name!r}]", depth)


def _each_item(
    value: Any, schema: Any, where: str, depth: int, _: Mapping[str, Any]
) -> Iterator[str]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield from _violations(item, schema, f"{where}[{index}]", depth)


def _all_of(
    value: Any, schemas: Any, where: str, depth: int, _: Mapping[str, Any]
) -> Iterator[str]:
    for schema in schemas:
        yield from _violations(value, schema, where, depth)


def _any_of(
    value: Any, schemas: Any, where: str, depth: int, _: Mapping[str, Any]
) -> Iterator[str]:
    if all(any(_violations(value, schema, where, depth)) for schema in schemas):
        yield f"{where}: {_shown(value)} fits none of {len(schemas)} schemas"


_NESTED: Final[dict[str, Callable[[Any, Any, str, int, Mapping[str, Any]], Iterator[str]]]] = {
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _each_item,
    "allOf": _all_of,
    "anyOf": _any_of,
}
