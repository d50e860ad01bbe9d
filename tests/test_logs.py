from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cluster import Line
from emulator.logs import Entry, Logs


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    opened = Logs(tmp_path / "logs")
    yield opened
    opened.close()


def line(seq: int, text: str = "hello", time: float = 0.0) -> Line:
    return Line(seq, time or float(seq), "stdout", text)


def read(logs: Logs, job_id: str = "j") -> list[Entry]:
    spans = logs.spans("p", job_id)
    return [entry for span in spans for entry in logs.entries("p", job_id, span)]


def test_entries_come_back_in_order_of_arrival(logs: Logs) -> None:
    logs.write("p", "j", "Job j is queued.", time=1.0)
    logs.append("p", "j", "master-replica-0", "m", line(1, "one", 2.0))
    logs.append("p", "j", "master-replica-0", "m", line(2, "two", 3.0))

    entries = read(logs)
    assert [entry.message for entry in entries] == ["Job j is queued.", "one", "two"]
    assert [entry.task for entry in entries] == ["service", *["master-replica-0"] * 2]
    assert sorted(entry.id for entry in entries) == [entry.id for entry in entries]


def test_a_line_seen_twice_is_kept_once(logs: Logs) -> None:
    for seq in (1, 2, 1, 2, 3):
        logs.append("p", "j", "t", "m", line(seq))

    assert [entry.seq for entry in read(logs)] == [1, 2, 3]
    assert logs.last_seq("p", "j", "m") == 3
    assert logs.last_seq("p", "j", "other") == 0


@given(times=st.lists(st.floats(0, 100, allow_nan=False), max_size=600))
def test_spans_say_what_their_entries_lie_between(
    tmp_path_factory: pytest.TempPathFactory, times: list[float]
) -> None:
    logs = Logs(tmp_path_factory.mktemp("logs"))
    for seq, time in enumerate(times, 1):
        logs.append("p", "j", "t", "m", Line(seq, time, "stdout", "x"))

    assert [entry.seq for entry in read(logs)] == list(range(1, len(times) + 1))
    for span in logs.spans("p", "j"):
        entries = logs.entries("p", "j", span)
        assert span.earliest == min(entry.time for entry in entries)
        assert span.latest == max(entry.time for entry in entries)
        assert (span.first_id, span.last_id) == (entries[0].id, entries[-1].id)
    logs.close()


def test_an_entry_cut_off_by_a_crash_is_dropped(tmp_path: Path, logs: Logs) -> None:
    logs.append("p", "j", "t", "m", line(1))
    logs.append("p", "j", "t", "m", line(2))
    path = tmp_path / "logs" / "p" / "j.jsonl"
    path.write_bytes(path.read_bytes()[:-5])

    again = Logs(tmp_path / "logs")
    assert again.last_seq("p", "j", "m") == 1
    again.append("p", "j", "t", "m", line(2, "again"))
    assert [entry.message for entry in read(again)] == ["hello", "again"]
    again.close()


def test_a_released_log_can_be_read(logs: Logs) -> None:
    logs.append("p", "j", "t", "m", line(1))
    logs.release("p", "j")

    assert [entry.seq for entry in read(logs)] == [1]
    assert logs.jobs("p") == ["j"]


def test_an_unknown_job_has_no_log(logs: Logs, tmp_path: Path) -> None:
    assert read(logs, "none") == []
    assert not (tmp_path / "logs").exists()
