from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.wire import MAX_TEXT, Budget, Message, WireError, encode, signed


def plain(message: Message) -> list[tuple[int, int | str]]:
    return [(n, v.text() if isinstance(v, Message) else v) for n, v in message]


@given(
    st.lists(
        st.tuples(
            st.integers(1, (1 << 29) - 1),
            st.one_of(st.integers(0, (1 << 64) - 1), st.text().map(str.encode)),
        )
    )
)
def test_reads_what_was_written(fields: list[tuple[int, int | bytes]]) -> None:
    message = Message(b"".join(encode(number, value) for number, value in fields))
    expected = [(n, v.decode() if isinstance(v, bytes) else v) for n, v in fields]
    assert plain(message) == expected


@given(st.binary(max_size=400))
def test_garbage_is_a_wire_error_or_fields(data: bytes) -> None:
    def walk(message: Message, depth: int) -> int:
        return 1 + sum(
            walk(value, depth - 1) if isinstance(value, Message) and depth else 1
            for _, value in message
        )

    with suppress(WireError):
        assert walk(Message(data), 6) >= 1


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_signed_undoes_twos_complement(value: int) -> None:
    assert signed(value % (1 << 64)) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\xff\xff\xff\xff\x07" + b"x" * 9, "claims 2147483647 bytes, 9 are left"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "claims 18446744073709551615 bytes"),
        (b"\x08" + b"\x80" * 20, "does not end"),
        (b"\x08", "does not end"),
        (b"\x09abc", "end inside a number"),
        (b"\x0b", "unknown wire type 3"),
        (b"\x02\x00", "field number 0"),
    ],
)
def test_a_broken_field_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        list(Message(data))


def test_fixed_numbers_are_little_endian() -> None:
    data = b"\x0d\x01\x00\x00\x00" + b"\x11\x02" + b"\x00" * 7
    assert plain(Message(data)) == [(1, 1), (2, 2)]


def test_the_budget_spans_nested_messages() -> None:
    data = encode(1, encode(1, 0) * 50) * 50
    fields = (list(inner) for inner in Message(data, budget=Budget(1000)).messages(1))
    with pytest.raises(WireError, match="more fields"):
        list(fields)


def test_messages_skip_numbers_and_other_fields() -> None:
    message = Message(encode(1, 7) + encode(1, b"a") + encode(2, b"b") + encode(1, b"c"))
    assert [value.text() for value in message.messages(1)] == ["a", "c"]


@pytest.mark.parametrize("data", [b"\xff", b"x" * (MAX_TEXT + 1)])
def test_a_string_is_utf8_and_bounded(data: bytes) -> None:
    with pytest.raises(WireError, match="string"):
        Message(data).text()
