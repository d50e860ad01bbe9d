"""The index of a SavedModel's variables: a sorted table of names and stretches of shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from emulator.exports.evidence import Checkpoint, Variable
from emulator.wire import Message, WireError

INDEX: Final = "variables/variables.index"
MAX_BYTES: Final = 64 << 20
MAX_VARIABLES: Final = 1_000_000
_MAGIC: Final = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER: Final = 48
_TRAILER: Final = 5  # of a block: how it is compressed, and a checksum
_CONTINUES: Final = 0x80
_MAX_VARINT_BITS: Final = 63


class _IndexError(ValueError):
    """The bytes are no table."""


def shard_name(number: int, count: int) -> str:
    return f"variables/variables.data-{number:05d}-of-{count:05d}"


def read(path: Path) -> Checkpoint:
    """What an index file says of the shards beside it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Checkpoint(problem=f"it cannot be read: {error.strerror}")
    try:
        return _parse(data)
    except (_IndexError, WireError) as error:
        return Checkpoint(problem=str(error))


def _parse(data: bytes) -> Checkpoint:
    if len(data) > MAX_BYTES:
        raise _IndexError(f"it has more than {MAX_BYTES} bytes")
    if len(data) < _FOOTER or not data.endswith(_MAGIC):
        raise _IndexError("it does not end as an index of variables does")
    footer = data[-_FOOTER:]
    _, at = _handle(footer, 0)  # of an index that nobody uses
    (start, size), _ = _handle(footer, at)
    shards = 0
    variables: list[Variable] = []
    for _, handle in _entries(_block(data, start, size)):
        for key, value in _entries(_block(data, *_handle(handle, 0)[0])):
            if not key:
                shards = _fields(value).get(1, 0)
            elif len(variables) >= MAX_VARIABLES:
                raise _IndexError(f"it has more than {MAX_VARIABLES} variables")
            else:
                numbers = _fields(value)
                end = numbers.get(4, 0) + numbers.get(5, 0)
                name = key.decode("utf-8", "replace")
                variables.append(Variable(name, numbers.get(3, 0), end))
    return Checkpoint(shards or 1, tuple(variables))


def _fields(value: bytes) -> dict[int, int]:
    """The numbers of a BundleHeaderProto or a BundleEntryProto, by field."""
    return {number: field for number, field in Message(value) if isinstance(field, int)}


def _block(data: bytes, start: int, size: int) -> bytes:
    if start + size + _TRAILER > len(data):
        raise _IndexError("a block of it lies behind its end")
    if data[start + size] != 0:
        raise _IndexError("a block of it is compressed")
    return data[start : start + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; a key is stored as what it adds to the one before."""
    if len(block) < 4:  # noqa: PLR2004 - the number of restarts
        raise _IndexError("a block of it has no end")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        more, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + more + length > end:
            raise _IndexError("an entry of it does not fit its block")
        key = key[:shared] + block[at : at + more]
        at += more
        yield key, block[at : at + length]
        at += length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return (start, size), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _MAX_VARINT_BITS, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return value, at
    raise _IndexError("a number of it does not end")
