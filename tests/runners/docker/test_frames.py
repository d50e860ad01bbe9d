"""Raw logs of the engine become numbered lines, the same at every reading."""

import base64
import json
import struct

import pytest

from emulator.cluster import Line
from emulator.runners.docker.frames import RECORD, Frames, Lines, Records, all_lines, last_traceback

SECOND = 1_700_000_000
WHEN = "2023-11-14T22:13:20"


def frame(text: bytes, stream: int = 1, fraction: str = "5") -> bytes:
    payload = f"{WHEN}.{fraction}Z ".encode() + text
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def read(*frames: bytes) -> list[Line]:
    return list(all_lines(Frames().feed(b"".join(frames))))


def record(key: str, more: str, piece: str) -> bytes:
    return frame(f"{RECORD}{key} {more} {piece}\n".encode(), 2)


def encoded(*fields: object) -> str:
    return base64.b64encode(json.dumps(fields).encode()).decode()


def test_a_line_has_its_stream_and_the_engines_time() -> None:
    assert read(frame(b"a\n"), frame(b"b\n", 2, "000000001")) == [
        Line(1, SECOND + 0.5, "stdout", "a"),
        Line(2, SECOND + 1e-9, "stderr", "b"),
    ]


def test_frames_may_come_in_any_pieces() -> None:
    data = frame(b"a\n") + frame("ä\n".encode(), 2)
    frames = Frames()
    found = [each for at in range(len(data)) for each in frames.feed(data[at : at + 1])]
    assert found == list(Frames().feed(data))
    assert [text for _, _, text in found] == [b"a\n", "ä\n".encode()]


def test_pieces_of_a_long_line_are_put_together() -> None:
    pieces = [b"x" * 16384, b"x" * 16384, b"y\n"]
    (line,) = read(*map(frame, pieces))
    assert line.text == "x" * 32768 + "y"


def test_the_other_stream_may_come_between() -> None:
    lines = read(frame(b"half"), frame(b"whole\n", 2), frame(b" and half\n"))
    assert [line.text for line in lines] == ["whole", "half and half"]


def test_a_last_line_needs_no_newline() -> None:
    lines = read(frame(b"a\n"), frame(b"no newline"))
    assert [(line.seq, line.text) for line in lines] == [(1, "a"), (2, "no newline")]


def test_what_is_drawn_over_is_no_line() -> None:
    lines = read(frame(b"1%\r2%\r100%\n"), frame(b"\n"))
    assert [line.text for line in lines] == ["100%"]


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(ValueError, match="not in frames"):
        list(Frames().feed(b"HTTP/1.1 200 OK"))


def test_a_record_of_logging_is_a_line_of_its_own_stream() -> None:
    body = encoded("R", "WARNING", "/p/task.py", 7, "two\nlines")
    lines = read(frame(b"before\n", 2), record("12.1", ".", body), frame(b"after\n"))
    assert lines[1] == Line(2, SECOND + 0.5, "log", "two\nlines", "WARNING", "/p/task.py", 7)
    assert [line.seq for line in lines] == [1, 2, 3]


def test_records_of_two_processes_may_be_mixed() -> None:
    first, second = encoded("R", "INFO", "", 1, "a" * 90), encoded("R", "INFO", "", 1, "b" * 90)
    lines = read(
        record("1.1", "+", first[:40]),
        record("2.1", "+", second[:40]),
        record("1.1", ".", first[40:]),
        record("2.1", ".", second[40:]),
    )
    assert [line.text for line in lines] == ["a" * 90, "b" * 90]


@pytest.mark.parametrize("text", ["1 . ###", "1 .", "", "1 . " + encoded(1), "x . bm8="])
def test_what_only_looks_like_a_record_is_left_out(text: str) -> None:
    assert Records().take(RECORD + text) is None


def test_unfinished_records_are_forgotten_at_last() -> None:
    records = Records()
    for number in range(3000):
        records.take(f"{RECORD}{number}.1 + aaaa")
    body = encoded("R", "INFO", "", 1, "text")
    assert records.take(f"{RECORD}9.9 . {body}") == ("R", "INFO", "", 1, "text")


def test_the_last_traceback_is_found() -> None:
    frames = Frames().feed(
        record("1.1", ".", encoded("T", "ERROR", "/f", 1, "first"))
        + record("1.2", ".", encoded("R", "ERROR", "/f", 1, "no traceback"))
        + record("1.3", ".", encoded("T", "ERROR", "/f", 1, "last"))
        + frame(b"out\n")
    )
    assert last_traceback(frames) == "last"
    assert last_traceback([]) == ""


def test_lines_after_a_frame_are_known_at_once() -> None:
    lines = Lines()
    assert [line.text for line in lines.take((1, 0, b"a\nb\nrest"))] == ["a", "b"]
    assert [line.text for line in lines.end()] == ["rest"]
