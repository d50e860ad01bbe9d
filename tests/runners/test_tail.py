import json
from pathlib import Path

import pytest

from emulator.runners.tail import Tail


def row(seq: int) -> bytes:
    line = {"seq": seq, "time": 1.0, "stream": "stdout", "text": "x" * (seq % 100)}
    return json.dumps(line).encode() + b"\n"


def test_waits_for_a_file(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "lines", 0)
    assert list(tail.read()) == []
    (tmp_path / "lines").write_bytes(row(1))
    assert [line.seq for line in tail.read()] == [1]
    tail.close()


def test_leaves_a_part_for_later(tmp_path: Path) -> None:
    whole = row(1) + row(2)
    (tmp_path / "lines").write_bytes(whole[:-5])
    tail = Tail(tmp_path / "lines", 0)
    assert [line.seq for line in tail.read()] == [1]
    assert list(tail.read()) == []
    (tmp_path / "lines").write_bytes(whole)
    assert [line.seq for line in tail.read()] == [2]
    tail.close()


@pytest.mark.parametrize("since", [0, 1, 777, 49_999, 50_000, 60_000])
def test_finds_a_line_in_a_large_file(tmp_path: Path, since: int) -> None:
    count = 50_000
    (tmp_path / "lines").write_bytes(b"".join(map(row, range(1, count + 1))))
    tail = Tail(tmp_path / "lines", since)
    assert [line.seq for line in tail.read()] == list(range(since + 1, count + 1))
    tail.close()
