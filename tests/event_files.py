"""TensorFlow's event files, read without it: the scalars that a trial's metric is looked for in."""

import struct
from collections.abc import Iterator
from typing import Final

from emulator.wire import Message

HEAD: Final = 12  # bytes of a record before its content: length, and the length's checksum
CHECKSUM: Final = 4
STEP, SUMMARY, VALUE = 2, 5, 1  # fields of Event and of Summary
TAG, SIMPLE_VALUE, TENSOR = 1, 2, 8  # of Summary.Value
DTYPE, CONTENT, FLOATS = 1, 4, 5  # of TensorProto
FLOAT: Final = 1


def scalars(content: bytes) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of every number that was written."""
    for record in records(content):
        event = Message(record)
        step = next((value for number, value in event if number == STEP), 0)
        assert isinstance(step, int)
        for summary in event.messages(SUMMARY):
            for value in summary.messages(VALUE):
                tag = next(value.messages(TAG)).text()
                yield from ((tag, step, number) for number in numbers(value))


def records(content: bytes) -> Iterator[bytes]:
    at = 0
    while at + HEAD <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        yield content[at + HEAD : at + HEAD + length]
        at += HEAD + length + CHECKSUM


def numbers(value: Message) -> Iterator[float]:
    for number, field in value:
        if number == SIMPLE_VALUE and isinstance(field, int):
            yield from struct.unpack("<f", field.to_bytes(4, "little"))
        if number == TENSOR and isinstance(field, Message):
            fields = dict(field)
            if fields.get(DTYPE) == FLOAT:
                held = fields.get(CONTENT) or fields.get(FLOATS)
                assert isinstance(held, Message)
                yield from struct.unpack("<f", held.content())
