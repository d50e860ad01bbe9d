"""The embedded emulator: it starts, answers, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.datadir import DataDir
from emulator.errors import OperatorError

DEADLINE_S = 20.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    return not alive(pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


def test_emulator_answers_and_is_gone_afterwards() -> None:
    with Emulator(project="embedded") as emulator:
        with emulator.client() as client:
            assert client.jobs() == []
        assert emulator.project == "embedded"
        assert emulator.environment()["https_proxy"] == emulator.url
        pids = [emulator.pid, emulator.endpoint.gateway_pid]
        folder = emulator.data_dir
    assert not folder.exists()
    assert all(eventually(partial(gone, pid)) for pid in pids)


def test_given_folder_keeps_its_state(tmp_path: Path) -> None:
    for made in (False, True):
        queue = ["--queue-delay", "90"]
        with Emulator(tmp_path / "data", options=queue) as emulator, emulator.client() as client:
            assert client.storage.exists("gs://kept") is made
            client.storage.create("kept", exist_ok=True)
            clock = client.clock.document()
            assert (clock["ahead"], clock["queueDelay"]) == ("3600s" if made else "0s", "90s")
            client.clock.advance(hours=1)


def test_second_emulator_on_a_folder_is_refused(tmp_path: Path) -> None:
    with Emulator(tmp_path / "data") as first:
        second = Emulator(tmp_path / "data")
        with pytest.raises(OperatorError, match=rf"Another emulator \(process {first.pid}\)"):
            second.start()


def test_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        emulator = Emulator(tmp_path / "data", port=port)
        with pytest.raises(OperatorError, match=str(port)) as caught:
            emulator.start()
    assert "Traceback" not in str(caught.value)


def test_wrong_option_shows_what_it_said() -> None:
    emulator = Emulator(options=["--nonsense"])
    with pytest.raises(OperatorError, match="No such option") as caught:
        emulator.start()
    assert "ended with status 2" in str(caught.value)
    assert not emulator.data_dir.exists()


def test_address_needs_a_running_emulator() -> None:
    emulator = Emulator()
    try:
        with pytest.raises(OperatorError, match="is not running"):
            _ = emulator.url
    finally:
        emulator.stop()


def test_emulator_ends_with_a_killed_owner(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom emulator import Emulator\n"
        f"with Emulator({str(tmp_path / 'data')!r}) as emulator:\n"
        "    print(emulator.pid, flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert alive(pid)
        owner.send_signal(signal.SIGKILL)
    assert eventually(partial(gone, pid))
    assert DataDir(tmp_path / "data").owner() is None


def test_import_is_light() -> None:
    code = "import sys, emulator; print(sorted(m for m in sys.modules if m.startswith('emulator')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['emulator']"


def test_emulator_that_died_between_two_looks_had_been_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.embedded.POLL_S", 3.0)  # the second look comes after the end
    emulator = Emulator(tmp_path / "data")

    def kill() -> None:
        directory = DataDir(tmp_path / "data")
        assert eventually(lambda: directory.endpoint() is not None)
        card = directory.endpoint()
        assert card is not None
        os.kill(card.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with emulator:
        killer.join()
        assert eventually(lambda: emulator.has_ended)
