"""Processes that hold a meeting are counted by the kernel, however they end."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.meeting import Meeting, Room

HOLDS = """
import sys
from pathlib import Path
from emulator.meeting import Meeting
Meeting(Path(sys.argv[1])).hold()
print("held", flush=True)
sys.stdin.read()
"""


def is_over(handle: int, wait_s: float = 0) -> bool:
    readable, _, _ = select.select([handle], [], [], wait_s)
    return bool(readable) and os.read(handle, 1) == b""


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    return Meeting(tmp_path / "meeting")


def test_nothing_is_made_before_somebody_holds(meeting: Meeting) -> None:
    assert meeting.rooms() == []
    assert meeting.leave()
    assert not meeting.folder.exists()


def test_last_one_out_is_seen(meeting: Meeting) -> None:
    meeting.hold()
    command = [sys.executable, "-c", HOLDS, str(meeting.folder)]
    with (
        meeting.listening() as handle,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        meeting.release()
        assert not is_over(handle)
        other.send_signal(signal.SIGKILL)
        assert is_over(handle, 20)


def test_child_of_a_holder_does_not_count(meeting: Meeting) -> None:
    meeting.hold()
    with meeting.listening() as handle:
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        try:
            meeting.release()
            assert is_over(handle, 20)
        finally:
            os.close(writing)
            os.close(reading)
            os.waitpid(child, 0)


def test_leaving_waits_for_a_warden(meeting: Meeting) -> None:
    meeting.hold()
    with meeting.alone("a") as room:
        lock = room.occupy()
        assert room.is_occupied()
        with pytest.raises(BlockingIOError):
            room.occupy()
    assert not meeting.leave(deadline_s=0.1)
    assert room.folder.exists()
    os.close(lock)
    assert meeting.leave()
    assert not meeting.folder.exists()


def test_kept_room_stays(meeting: Meeting) -> None:
    meeting.hold()
    with meeting.alone("a") as other, meeting.alone("b") as room:
        other.data.mkdir()
        room.data.mkdir()
        room.keep()
    assert meeting.leave()
    assert [it.folder.name for it in meeting.rooms()] == ["b"]
    assert room.data.is_dir()


def test_room_says_what_its_warden_said(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.words() == ""
    room.output.write_text("It broke.\n")
    assert room.words() == "It broke."


def test_holding_is_light() -> None:
    code = "import sys, emulator.meeting; print('msgspec' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
