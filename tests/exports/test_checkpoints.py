"""The index of variables: a real one, broken ones, any bytes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.exports.checkpoints import read, shard_name
from emulator.exports.evidence import Checkpoint, Variable


def block(*entries: tuple[bytes, bytes]) -> bytes:
    """A block without shared prefixes and with one restart."""
    body = b"".join(bytes([0, len(key), len(value)]) + key + value for key, value in entries)
    return body + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """A table of one block; its index has one entry."""
    data = block(*entries) + bytes(5)
    handle = bytes([0, len(data) - 5])
    index = block((b"z", handle)) + bytes(5)
    footer = bytes([0, 0]) + number(len(data)) + number(len(index) - 5)
    return data + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


HEADER = (b"", b"\x08\x02\x1a\x02\x08\x01")  # two shards
WEIGHTS = (b"weights", b"\x08\x01\x18\x01\x20\x08\x28\x0c")  # shard 1, from 8, 12 bytes


def written(folder: Path, data: bytes) -> Checkpoint:
    path = folder / "variables.index"
    path.write_bytes(data)
    return read(path)


def test_variables_and_shards_are_read(tmp_path: Path) -> None:
    assert written(tmp_path, table(HEADER, WEIGHTS)) == Checkpoint(2, (Variable("weights", 1, 20),))
    assert shard_name(1, 2) == "variables/variables.data-00001-of-00002"


def test_shared_prefixes_are_put_together(tmp_path: Path) -> None:
    data = bytes([0, 1, 0]) + b"a" + bytes([1, 1, 0]) + b"b"
    whole = data + bytes(4) + (1).to_bytes(4, "little")
    padded = whole + bytes(5)
    index = block((b"z", bytes([0, len(whole)]))) + bytes(5)
    footer = bytes([0, 0]) + number(len(padded)) + number(len(index) - 5)
    content = padded + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
    found = written(tmp_path, content)
    assert [variable.name for variable in found.variables] == ["a", "ab"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it does not end as an index of variables does"),
        (table(HEADER)[:-1], "it does not end as an index of variables does"),
        (table(HEADER)[20:], "does not fit its block"),
        (bytes(40) + bytes.fromhex("57fb808b247547db"), "has no end"),
    ],
    ids=["empty", "cut", "headless", "zeros"],
)
def test_what_is_broken_has_a_problem(tmp_path: Path, data: bytes, problem: str) -> None:
    assert problem in written(tmp_path, data).problem


def test_a_missing_file_has_a_problem(tmp_path: Path) -> None:
    assert "cannot be read" in read(tmp_path / "nothing").problem


@given(st.binary(max_size=200), st.integers(0, 150))
def test_any_bytes_are_answered(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    whole = table(HEADER, WEIGHTS)
    folder = tmp_path_factory.getbasetemp()
    for data in (whole[:at] + noise + whole[at + len(noise) :], noise + whole[-48:]):
        assert isinstance(written(folder, data).problem, str)
