import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.datadir import DataDir, Endpoint, write_whole
from emulator.errors import OperatorError

OWNING = """
import sys
from pathlib import Path
from emulator.datadir import DataDir
DataDir(Path(sys.argv[1])).open()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A data directory that another process owns, and that process's id."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNING, str(tmp_path / "d")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        yield tmp_path / "d", owner.pid
        owner.kill()


def test_makes_its_layout_and_keeps_its_name(tmp_path: Path) -> None:
    first = DataDir(tmp_path / "d")
    first.open()
    name = first.instance
    first.close()
    second = DataDir(tmp_path / "d")
    second.open()

    assert second.instance == name
    assert (tmp_path / "d" / "version").read_text() == "1"
    assert oct((tmp_path / "d").stat().st_mode)[-3:] == "700"
    second.close()


def test_refuses_a_second_owner_and_names_the_first(owned: tuple[Path, int]) -> None:
    path, pid = owned

    with pytest.raises(OperatorError, match=f"process {pid}"):
        DataDir(path).open()


def test_waits_for_a_warden_that_ends_what_was_left(owned: tuple[Path, int]) -> None:
    path, pid = owned
    (path / "warden.pid").write_text(str(pid))
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    data = DataDir(path)
    data.open()
    data.close()


def test_is_owned_for_a_block_as_it_is(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.alone():
        asked = subprocess.run(
            [sys.executable, "-c", OWNING, str(tmp_path)], capture_output=True, check=False
        )
        assert b"already runs on" in asked.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert data.owner() is None


def test_tells_who_owns_it(owned: tuple[Path, int], tmp_path: Path) -> None:
    path, pid = owned

    assert DataDir(path).owner() == pid
    assert DataDir(tmp_path / "nothing").owner() is None


def test_is_free_after_the_owner_was_killed(owned: tuple[Path, int]) -> None:
    path, pid = owned
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    directory = DataDir(path)
    assert directory.owner() is None
    directory.open()
    directory.close()


def test_refuses_a_newer_format_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("2")

    with pytest.raises(OperatorError, match="newer version"):
        DataDir(tmp_path).open()
    assert {path.name for path in tmp_path.iterdir()} == {"version", "lock"}


def test_an_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OperatorError, match="--data-dir"):
        DataDir(tmp_path / "file" / "d").open()


def test_the_card_of_a_dead_emulator_is_not_shown(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / "d")
    directory.open()
    directory.publish(Endpoint(1, 2, "u", "p", "ca", "b", 3, 4.0, "process", "none"))
    directory.close()

    assert directory.endpoint() is None


def test_writes_whole_files(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"old")
    write_whole(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
