"""One emulator for several processes: started once, ended after the last, however they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.meeting import Meeting
from emulator.shared import join

pytestmark = pytest.mark.timeout(300)

JOINS = """
import sys
from pathlib import Path
from emulator.meeting import Meeting
from emulator.shared import join
engine = join(Meeting(Path(sys.argv[1])), "process", project="other")
print(engine.pid, engine.project, flush=True)
sys.stdin.read()
"""


def eventually(happened: Callable[[], bool], deadline_s: float = 60) -> bool:
    end = time.monotonic() + deadline_s
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    meeting = Meeting(tmp_path / "meeting")
    yield meeting
    assert meeting.leave()


def test_second_process_finds_what_the_first_started(meeting: Meeting) -> None:
    engine = join(meeting, "process", project="mine")
    command = [sys.executable, "-c", JOINS, str(meeting.folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == [str(engine.pid), "other"]
        meeting.release()
        with engine.client() as client:  # the other one holds it
            assert client.jobs() == []
        other.send_signal(signal.SIGKILL)
    assert eventually(lambda: is_gone(engine.pid))
    assert eventually(lambda: not meeting.folder.exists())


def test_leaving_waits_until_everything_is_gone(meeting: Meeting) -> None:
    engine = join(meeting, "process", project="mine")
    gateway = engine.endpoint.gateway_pid
    assert meeting.leave()
    assert is_gone(engine.pid)
    assert is_gone(gateway)
    assert not meeting.folder.exists()


def test_failed_start_says_why_and_leaves_room_for_another(meeting: Meeting) -> None:
    for _ in range(2):
        with pytest.raises(OperatorError, match="No such option"):
            join(meeting, "process", project="mine", options=["--nonsense"])
    assert join(meeting, "process", project="mine").pid


def test_emulator_that_died_is_replaced_for_those_who_ask(meeting: Meeting) -> None:
    first = join(meeting, "process", project="mine")
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: is_gone(first.pid))
    assert eventually(lambda: "ended by itself" in meeting.rooms()[0].words())
    second = join(meeting, "process", project="mine")
    assert second.pid != first.pid
    assert meeting.leave()
    assert is_gone(second.pid)


def test_kept_data_can_be_opened(meeting: Meeting) -> None:
    engine = join(meeting, "process", project="mine")
    with engine.client() as client:
        client.storage.create("kept")
    (room,) = meeting.rooms()
    room.keep()
    assert meeting.leave()
    assert (room.data / "emulator.db").is_file()
    with join(meeting, "process", project="mine").client() as client:
        assert client.storage.exists("gs://kept")
