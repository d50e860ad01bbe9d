from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cluster import Line
from emulator.logs import Logs


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    opened = Logs(tmp_path / "logs")
    yield opened
    opened.close()


def line(seq: int, text: str = "hello", time: float = 0.0) -> Line:
    return Line(seq, time or float(seq), "stdout", text)


def test_entries_come_back_in_order_of_arrival(logs: Logs) -> None:
    logs.write("p", "j", "Job j is queued.", time=1.0)
    logs.append("p", "j", "master-replica-0", "m", line(1, "one", 2.0))
    logs.append("p", "j", "master-replica-0", "m", line(2, "two", 3.0))

    entries = list(logs.read("p", "j"))
    assert [entry.message for entry in entries] == ["Job j is queued.", "one", "two"]
    assert [entry.task for entry in entries] == ["service", *["master-replica-0"] * 2]
    assert sorted(entry.id for entry in entries) == [entry.id for entry in entries]


def test_a_line_seen_twice_is_kept_once(logs: Logs) -> None:
    for seq in (1, 2, 1, 2, 3):
        logs.append("p", "j", "t", "m", line(seq))

    assert [entry.seq for entry in logs.read("p", "j")] == [1, 2, 3]
    assert logs.last_seq("p", "j", "m") == 3
    assert logs.last_seq("p", "j", "other") == 0


def test_reading_from_a_time_skips_what_is_older(logs: Logs) -> None:
    for seq in range(1, 2001):
        logs.append("p", "j", "t", "m", line(seq))

    assert [entry.seq for entry in logs.read("p", "j", since=1998.0)] == [1998, 1999, 2000]


@given(times=st.lists(st.floats(0, 100, allow_nan=False), max_size=600), since=st.floats(-1, 101))
def test_the_index_never_hides_an_entry(
    tmp_path_factory: pytest.TempPathFactory, times: list[float], since: float
) -> None:
    logs = Logs(tmp_path_factory.mktemp("logs"))
    for seq, time in enumerate(times, 1):
        logs.append("p", "j", "t", "m", Line(seq, time, "stdout", "x"))

    found = [entry.seq for entry in logs.read("p", "j", since=since)]
    logs.close()
    assert found == [seq for seq, time in enumerate(times, 1) if time >= since]


def test_an_entry_cut_off_by_a_crash_is_dropped(tmp_path: Path, logs: Logs) -> None:
    logs.append("p", "j", "t", "m", line(1))
    logs.append("p", "j", "t", "m", line(2))
    path = tmp_path / "logs" / "p" / "j.jsonl"
    path.write_bytes(path.read_bytes()[:-5])

    again = Logs(tmp_path / "logs")
    assert again.last_seq("p", "j", "m") == 1
    again.append("p", "j", "t", "m", line(2, "again"))
    assert [entry.message for entry in again.read("p", "j")] == ["hello", "again"]
    again.close()


def test_a_released_log_can_be_read(logs: Logs) -> None:
    logs.append("p", "j", "t", "m", line(1))
    logs.release("p", "j")

    assert [entry.seq for entry in logs.read("p", "j")] == [1]
    assert logs.jobs("p") == ["j"]


def test_an_unknown_job_has_no_log(logs: Logs, tmp_path: Path) -> None:
    assert list(logs.read("p", "none")) == []
    assert not (tmp_path / "logs").exists()
