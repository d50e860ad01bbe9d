import json
import resource
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LONGEST = 64 * 1024
Shim = Callable[[str], ModuleType]


@pytest.fixture
def lines(shim: Shim) -> ModuleType:
    return shim("lines")


def cut(lines: ModuleType, *chunks: bytes, times: tuple[float, ...] = ()) -> list[bytes]:
    """Feed the chunks, and what the end brings."""
    splitter = lines.Splitter()
    found: list[bytes] = []
    for number, chunk in enumerate(chunks):
        found += splitter.feed(chunk, times[number] if times else 100.0)
    return found + list(splitter.end())


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ((b"a\nb\n",), [b"a", b"b"]),
        ((b"a", b"b\n", b"c"), [b"ab", b"c"]),
        ((b"\n\na\n\n",), [b"a"]),
        ((b"a\r\nb\r\n",), [b"a", b"b"]),
        ((b"a\r", b"\nb"), [b"a", b"b"]),
        ((b"",), []),
    ],
)
def test_cuts_at_newlines(lines: ModuleType, chunks: tuple[bytes, ...], found: list[bytes]) -> None:
    assert cut(lines, *chunks) == found


def test_splits_long_lines_between_characters(lines: ModuleType) -> None:
    text = "ä" * LONGEST + "x"
    for data in (text.encode(), text.encode() + b"\n", b"y" + text.encode() + b"\nz\r\n"):
        pieces = cut(lines, *(data[at : at + 5000] for at in range(0, len(data), 5000)))
        assert all(len(piece) <= LONGEST for piece in pieces)
        assert b"".join(pieces).decode() == data.decode().replace("\r", "").replace("\n", "")


def test_a_progress_bar_is_one_line_a_second(lines: ModuleType) -> None:
    chunks = tuple(b"\r%d%%" % percent for percent in range(100))
    times = tuple(100 + percent / 20 for percent in range(100))
    found = cut(lines, *chunks, times=times)
    assert found[-1] == b"99%"
    assert 4 <= len(found) <= 7


def test_the_last_state_of_a_bar_is_kept(lines: ModuleType) -> None:
    assert cut(lines, b"10%\r20%\r30%\ndone\n") == [b"30%", b"done"]
    assert cut(lines, b"10%\r20%\r") == [b"10%", b"20%"]


def test_numbers_and_times_lines(lines: ModuleType, tmp_path: Path) -> None:
    writer = lines.Writer(str(tmp_path / "lines"))
    writer.write("stdout", ['a "b"', "ä\t"], 1.5)
    writer.log("INFO", "/p.py", 7, "x\ny", 2.0)
    writer.close()
    first, second, record = read(tmp_path / "lines")
    assert first == {"seq": 1, "time": 1.5, "stream": "stdout", "text": 'a "b"'}
    assert second == {"seq": 2, "time": 1.5, "stream": "stdout", "text": "ä\t"}
    assert (record["seq"], record["stream"], record["text"]) == (3, "log", "x\ny")
    assert (record["level"], record["path"], record["lineno"]) == ("INFO", "/p.py", 7)


def test_a_full_disk_costs_lines_and_says_so(lines: ModuleType, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses in the same way."""
    writer = lines.Writer(str(tmp_path / "lines"))
    writer.write("stdout", ["before"], 1.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        writer.write("stdout", ["x" * 600, "y" * 600], 2.0)
        writer.write("stdout", ["z" * 2000], 3.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.write("stdout", ["after"], 4.0)
    writer.close()
    first, notice, last = read(tmp_path / "lines")
    assert [row["seq"] for row in (first, notice, last)] == [1, 2, 3]
    assert notice["text"].startswith("3 lines were lost")
    assert (first["text"], last["text"]) == ("before", "after")
