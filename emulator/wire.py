"""The wire format of protocol buffers, read field by field without a schema and without copying."""

import mmap
from collections.abc import Iterator
from typing import Final

Buffer = bytes | mmap.mmap

MAX_FIELDS: Final = 5_000_000  # of one buffer: a large real graph has a tenth
MAX_TEXT: Final = 1 << 20  # bytes of one string that is decoded
_MAX_VARINT_BYTES: Final = 10
_CONTINUES: Final = 0x80

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}


class WireError(ValueError):
    """The bytes are no protocol buffer message, or break a limit of this reader."""


class Budget:
    """How many fields may still be read from one buffer."""

    __slots__ = ("left",)

    def __init__(self, fields: int = MAX_FIELDS) -> None:
        self.left = fields


class Message:
    """A length-delimited stretch of a buffer: a message, a string or bytes, as its reader decides.

    Nothing is descended into by itself, so no nesting can exhaust the stack, and a length is
    checked against the stretch it stands in before anything is touched.
    """

    __slots__ = ("_budget", "_buffer", "_end", "_start")

    def __init__(
        self,
        buffer: Buffer,
        start: int = 0,
        end: int | None = None,
        *,
        budget: Budget | None = None,
    ) -> None:
        self._buffer = buffer
        self._start = start
        self._end = len(buffer) if end is None else end
        self._budget = budget or Budget()

    def __len__(self) -> int:
        return self._end - self._start

    def __iter__(self) -> Iterator[tuple[int, "int | Message"]]:
        """Each field's number and value: an int for numbers, a Message for the rest."""
        return self._fields()

    def messages(self, number: int) -> Iterator["Message"]:
        """Every value of one length-delimited field."""
        for _, value in self._fields(number):
            if isinstance(value, Message):
                yield value

    def first(self, number: int) -> "Message":
        """The first value of a length-delimited field; an empty one if there is none."""
        for _, value in self._fields(number):
            if isinstance(value, Message):
                return value
        return Message(b"")

    def _fields(self, wanted: int = 0) -> Iterator[tuple[int, "int | Message"]]:
        """Walk over all fields, and yield those of one number; of every number if it is 0.

        Most keys and lengths are a byte, read in place: a graph has tens of thousands of them.
        """
        buffer, position, end, budget = self._buffer, self._start, self._end, self._budget
        while position < end:
            budget.left -= 1
            if budget.left < 0:
                raise WireError("more fields than any real message has")
            if (key := buffer[position]) < _CONTINUES:
                position += 1
            else:
                key, position = _varint(buffer, position, end)
            number, wire_type = key >> 3, key & 7
            if number == 0:
                raise WireError(f"field number 0 at byte {position}")
            is_wanted = wanted == number or not wanted
            if wire_type == _BYTES:
                start, position = _stretch(buffer, position, end)
                if is_wanted:
                    yield number, Message(buffer, start, position, budget=budget)
            else:
                value, position = _number(buffer, position, end, wire_type)
                if is_wanted:
                    yield number, value

    def content(self) -> bytes:
        """The stretch as bytes, for values that are compared or read as another format."""
        if len(self) > MAX_TEXT:
            raise WireError(f"a value of {len(self)} bytes, {MAX_TEXT} are allowed")
        return self._buffer[self._start : self._end]

    def text(self) -> str:
        """The stretch as a string."""
        if len(self) > MAX_TEXT:
            raise WireError(f"a string of {len(self)} bytes, {MAX_TEXT} are allowed")
        try:
            return self._buffer[self._start : self._end].decode()
        except UnicodeDecodeError as error:
            raise WireError(f"a string that is not UTF-8 at byte {self._start}") from error


def signed(value: int) -> int:
    """A varint read as an int64."""
    return value - (1 << 64) if value >> 63 else value


def encode(number: int, value: int | bytes) -> bytes:
    """A field: an int64 or uint64 as a varint, bytes with their length."""
    if isinstance(value, int):
        return _encoded(number << 3) + _encoded(value)
    return _encoded(number << 3 | _BYTES) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= _CONTINUES:
        out.append(value & 0x7F | _CONTINUES)
        value >>= 7
    out.append(value)
    return bytes(out)


def _stretch(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    """Read a length, and answer where what it measures starts and ends."""
    if position < end and (length := buffer[position]) < _CONTINUES:
        position += 1
    else:
        length, position = _varint(buffer, position, end)
    if length > end - position:
        raise WireError(
            f"a field at byte {position} claims {length} bytes, {end - position} are left"
        )
    return position, position + length


def _number(buffer: Buffer, position: int, end: int, wire_type: int) -> tuple[int, int]:
    """Read a field's value that is no stretch: the value and the position after it."""
    if wire_type == _VARINT:
        return _varint(buffer, position, end)
    width = _FIXED.get(wire_type)
    if width is None:
        raise WireError(f"unknown wire type {wire_type} at byte {position}")
    if width > end - position:
        raise WireError(f"the bytes end inside a number at byte {position}")
    return int.from_bytes(buffer[position : position + width], "little"), position + width


def _varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    """Read a variable-length integer: its value modulo 2**64 and the position after it."""
    value = shift = 0
    for at in range(position, min(end, position + _MAX_VARINT_BYTES)):
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + 1
        shift += 7
    raise WireError(f"the number at byte {position} does not end")
