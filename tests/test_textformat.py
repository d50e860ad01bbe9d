from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.textformat import NUMBER, TEXT, Enum, Schema, to_wire
from emulator.wire import Message, WireError, encode

SCHEMA: Final[Schema] = {
    "number": (1, NUMBER),
    "text": (2, TEXT),
    "kind": (3, Enum(A=1, B=2)),
    "inner": (4, {"text": (1, TEXT)}),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("number: 5 number: -1", encode(1, 5) + encode(1, -1)),
        ("number: 0x1F", encode(1, 31)),
        ("number: true number: false", encode(1, 1) + encode(1, 0)),
        ("number: [1, 2]", encode(1, 1) + encode(1, 2)),
        ("kind: B kind: 7", encode(3, 2) + encode(3, 7)),
        ('text: "a" ; text: \'b"\',', encode(2, b"a") + encode(2, b'b"')),
        (r'text: "\n\101\x41\\\"\é"', encode(2, '\nAA\\"é'.encode())),
        ("inner {} inner: < text: 'x' >", encode(4, b"") + encode(4, encode(1, b"x"))),
        ("other { inner { text: 'x' } } other: 1.5 [a.b/c]: 3", b""),
        ("# only\n#comments", b""),
    ],
)
def test_known_fields_are_written(text: str, expected: bytes) -> None:
    assert to_wire(text, SCHEMA) == expected


@pytest.mark.parametrize(
    "text",
    [
        "inner {",
        "inner { >",
        "}",
        "number",
        "number:",
        "number: x",
        "number: 'x'",
        "number: {",
        "kind: C",
        "text: word",
        'text: "open',
        "inner: 5",
        "[a",
        "[a b]: 1",
        "number: [1",
        "number: [1 {}]",
        '"value"',
        "@",
    ],
)
def test_what_is_no_text_format(text: str) -> None:
    with pytest.raises(WireError):
        to_wire(text, SCHEMA)


def test_nesting_costs_no_stack() -> None:
    assert to_wire("a {" * 50_000 + "}" * 50_000, SCHEMA) == b""


WORDS = st.sampled_from(
    ["number", "text", "kind", "inner", "other", ":", "{", "}", "<", ">", "[", "]", ",", "1", '"a"']
)


@given(st.lists(WORDS).map(" ".join) | st.text())
def test_any_text_is_an_error_or_a_message(text: str) -> None:
    with suppress(WireError):
        assert all(number in range(1, 5) for number, _ in Message(to_wire(text, SCHEMA)))
