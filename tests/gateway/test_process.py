import contextlib
import functools
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.datadir import DataDir
from emulator.gateway.process import main
from emulator.server import default_cache_dir
from emulator.storage.binary import find_or_obtain
from tests.gateway.conftest import DEADLINE_S, read_all, read_answer, until

HOLDER = """
import pathlib, sys
from emulator.datadir import DataDir
DataDir(pathlib.Path(sys.argv[1])).open()
print(flush=True)
sys.stdin.read()
"""


@functools.cache
def fake_gcs_server() -> Path:
    return find_or_obtain(None, default_cache_dir(), lambda _: None)


def command(root: Path, *more: str) -> list[str]:
    program = [sys.executable, "-P", "-m", "emulator.gateway.process"]
    found = ["--data-dir", str(root), "--fake-gcs-server", str(fake_gcs_server())]
    return [*program, *found, *more]


class Process:
    """A gateway process of its own, and its emulator's lock on the data directory."""

    def __init__(self, root: Path, *more: str) -> None:
        self.root = root
        reading, writing = os.pipe()
        self._ready = os.fdopen(reading, "rb")
        self.errors = root.with_name(f"{root.name}-errors")
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command(root, "--port", "0", "--ready-fd", str(writing), *more),
                pass_fds=(writing,),
                stderr=errors,
            )
        os.close(writing)

    def ready(self) -> dict[str, Any]:
        assert select.select([self._ready], [], [], DEADLINE_S)[0], self.errors.read_text()
        line = self._ready.readline()
        assert line, self.errors.read_text()
        return dict(json.loads(line))

    def ask(self, request: Any) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(f"\0cmle-gateway-{(self.root / 'instance').read_text()}")
            sock.sendall(json.dumps(request).encode() + b"\n")
            answer = sock.recv(65536)
            if "shutdown" in request:
                assert read_all(sock) == b""  # its end is the gateway's
            return json.loads(answer)

    def close(self) -> None:
        self._ready.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data directory that an emulator holds."""
    data_dir = DataDir(tmp_path / "data")
    data_dir.open()
    data_dir.close()
    return data_dir.root


@pytest.fixture
def emulator(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the data directory's lock, until it is killed."""
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    holder.stdout.readline()
    yield holder
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()


@pytest.fixture
def gateway(root: Path, emulator: subprocess.Popen[bytes]) -> Iterator[Process]:
    assert emulator.poll() is None
    with contextlib.closing(Process(root, "--grace", "0.2")) as gateway:
        yield gateway


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_it_serves_from_ready_to_sigterm(gateway: Process, root: Path) -> None:
    ready = gateway.ready()
    with socket.create_connection(("127.0.0.1", ready["port"]), DEADLINE_S) as sock:
        sock.sendall(b"GET /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\n\r\n")
        buckets = read_answer(sock)
        sock.sendall(b"GET /v1/projects/p/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        jobs = read_answer(sock)
    status = gateway.ask({"status": True})
    gateway.process.send_signal(signal.SIGTERM)

    assert b" 200 " in buckets[0]
    assert b" 503 " in jobs[0]
    assert status == {"ok": True, **ready}
    assert gateway.process.wait(DEADLINE_S) == 0
    assert gone(ready["fake_gcs_pid"])
    assert b"PRIVATE" not in gateway.errors.read_bytes()
    assert (root / "authority" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_successor_follows_on_the_same_port(gateway: Process, root: Path) -> None:
    port = gateway.ready()["port"]
    assert gateway.ask({"shutdown": True}) == {"ok": True}
    with contextlib.closing(Process(root, "--port", str(port))) as successor:
        assert successor.ready()["port"] == port
        assert gateway.process.wait(DEADLINE_S) == 0


def test_it_ends_when_its_emulator_stays_away(
    gateway: Process, emulator: subprocess.Popen[bytes]
) -> None:
    ready = gateway.ready()
    emulator.kill()

    assert gateway.process.wait(DEADLINE_S) == 0
    assert gone(ready["fake_gcs_pid"])
    assert "has been gone" in gateway.errors.read_text()


def test_killed_it_leaves_nothing_that_runs(gateway: Process) -> None:
    ready = gateway.ready()
    gateway.process.kill()

    until(lambda: gone(ready["fake_gcs_pid"]))


def test_a_port_in_use_ends_it_with_a_sentence(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = subprocess.run(command(root, "--port", str(port)), check=False).returncode

    assert code == 1
    assert f"Port {port} of 127.0.0.1 is in use" in capfd.readouterr().err


@pytest.fixture
def kept_logging() -> Iterator[None]:
    """The gateway's own process may set up logging for all; this one must not keep that."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("kept_logging")
def test_a_folder_that_is_no_data_directory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["--data-dir", str(tmp_path), "--port", "0", "--fake-gcs-server", str(fake_gcs_server())]
    )

    assert code == 1
    assert "is not a data directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_users_come_by_a_socket_too_and_it_goes_with_the_gateway(
    root: Path, emulator: subprocess.Popen[bytes]
) -> None:
    assert emulator.poll() is None
    path = root.with_name("users.sock")
    with contextlib.closing(Process(root, "--socket", str(path))) as gateway:
        gateway.ready()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(str(path))
            sock.sendall(b"GET /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in read_answer(sock)[0]
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(DEADLINE_S) == 0
    assert not path.exists()


@pytest.mark.usefixtures("kept_logging")
def test_one_place_of_bytes_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--fake-gcs-server", "/x", "--fake-gcs-url", "http://127.0.0.1:1"]
    for places in ([], both):
        with pytest.raises(SystemExit):
            main(["--data-dir", str(root), "--port", "0", *places])
        assert "--fake-gcs-url" in capsys.readouterr().err
