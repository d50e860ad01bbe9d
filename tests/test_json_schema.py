from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import json_schema
from emulator.errors import OperatorError
from emulator.savedmodel import Signature, Tensor


def problems(value: Any, schema: Any) -> list[str]:
    return list(json_schema.violations(value, schema, "it"))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, 2.0, 2.5),
        ({"type": "integer"}, 10**400, True),
        ({"type": ["number", "null"]}, None, "1"),
        ({"type": "boolean"}, True, 1),
        ({"enum": [1, "a"]}, "a", True),
        ({"const": 0}, 0, False),
        ({"minimum": 1, "maximum": 2}, 1, 3),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5, 0),
        ({"minimum": 5}, "not a number", 4),
        ({"minItems": 1, "maxItems": 2}, [1], []),
        ({"minLength": 1, "maxLength": 2}, "a", "abc"),
        ({"pattern": "^[ab]+$"}, "ab", "abc"),
        ({"required": ["a"]}, {"a": 1}, {"b": 1}),
        ({"properties": {"a": {"type": "string"}}}, {"b": 1}, {"a": 1}),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1}, {"b": 1}),
        ({"additionalProperties": {"type": "number"}}, {"b": 1}, {"b": "1"}),
        ({"items": {"type": "number"}}, [1, 2], [1, "2"]),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3),
        ({"anyOf": [{"type": "string"}, {"minimum": 3}]}, 3, 2),
        (True, 1, None),
    ],
    ids=str,
)
def test_keywords_let_in_and_keep_out(schema: Any, good: Any, bad: Any) -> None:
    assert problems(good, schema) == []
    assert problems(bad, schema) or schema is True


def test_problems_say_where() -> None:
    schema = {"properties": {"a": {"items": {"type": "number"}}}}
    assert problems({"a": [1, "x"]}, schema) == ["it['a'][1]: expected number, found 'x'"]
    assert problems(1, False) == ["it: nothing is allowed here"]  # noqa: FBT003


@pytest.mark.parametrize(
    "schema", [{"$ref": "#/x"}, {"type": "float"}, {"oneOf": []}, "number"], ids=str
)
def test_what_is_not_known_is_never_passed_over(schema: Any) -> None:
    with pytest.raises(OperatorError):
        problems(1, schema)


def test_nesting_has_an_end() -> None:
    schema: Any = {"items": {}}
    schema["items"] = schema
    value: Any = 1
    for _ in range(300):
        value = [value]
    assert "nested too deeply" in problems(value, schema)[0]


def test_schema_of_a_signature() -> None:
    outputs = {
        "scores": Tensor("s:0", "float32", (None, 2, None)),
        "label": Tensor("l:0", "string", (None,)),
        "image_bytes": Tensor("i:0", "string", (None,)),
        "count": Tensor("c:0", "uint8", (None,)),
        "any": Tensor("a:0", "float32", None),
    }
    schema = json_schema.of(Signature("predict", {}, outputs))
    good = {
        "scores": [[1.0], [2, 3]],
        "label": "a",
        "image_bytes": {"b64": "AA=="},
        "count": 3,
        "any": "x",
    }
    assert problems(good, schema) == []
    for key, wrong in [
        ("scores", [[1.0]]),
        ("label", {"b64": "AA=="}),
        ("image_bytes", "text"),
        ("count", 1.5),
    ]:
        assert problems({**good, key: wrong}, schema)
    assert problems({**good, "more": 1}, schema)


@given(st.recursive(st.none() | st.floats() | st.text() | st.integers(), st.lists))
def test_any_value_is_answered(value: Any) -> None:
    schema = {"type": "integer", "minimum": 0, "items": {"pattern": "a"}, "enum": [1]}
    assert all(isinstance(problem, str) for problem in problems(value, schema))
