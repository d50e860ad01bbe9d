import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.datadir import DataDir, Endpoint
from emulator.hermetic import variables
from emulator.isolation import probe
from emulator.runners.process import remove_folder

RUN = """
import os, sys
from pathlib import Path
from emulator.errors import OperatorError
from emulator.hermetic import run
try:
    sys.exit(run(sys.argv[2:], Path(sys.argv[1]), dict(os.environ)))
except OperatorError as error:
    print("refused:", error)
    sys.exit(error.exit_code)
"""
CARD = Endpoint(
    pid=1,
    port=1,
    url="http://127.0.0.1:1",
    project="p",
    ca_path="/ca",
    bundle_path="/bundle",
    gateway_pid=1,
    started=0.0,
    runner="process",
    isolation="namespaces",
)
GET = "import urllib.request as r; print(r.urlopen('http://{}/x').read().decode())"


class Gateway:
    """Speaks the control protocol, and answers every request of a listener with its words."""

    def __init__(self, instance: str, words: str) -> None:
        self._words = words
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.bind(f"\0cmle-gateway-{instance}")
        self._control.listen()
        self._waking, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._open = [self._control, self._waking, self._wake]
        self._selector.register(self._control, selectors.EVENT_READ, self._visit)
        self._selector.register(self._waking, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        self._selector.close()
        for sock in self._open:
            sock.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._waking:
                    return
                key.data(key.fileobj)

    def _visit(self, control: socket.socket) -> None:
        connection, _ = control.accept()
        self._open.append(connection)
        line, numbers, _, _ = socket.recv_fds(connection, 65536, 8)
        assert json.loads(line)["listen"]["identity"]["kind"] == "user"
        for number in numbers:
            listener = socket.socket(fileno=number)
            self._open.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, self._greet)
        connection.sendall(b'{"ok":true}\n')

    def _greet(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self._words)}\r\n\r\n"
            connection.sendall(head.encode() + self._words.encode())


class Place:
    """A data directory that looks as if an emulator ran on it."""

    def __init__(self, folder: Path) -> None:
        self.data = DataDir(folder / "data")
        self.data.open()
        bundle = folder / "bundle.pem"
        bundle.write_text("the bundle")
        card = {name: getattr(CARD, name) for name in CARD.__struct_fields__}
        self.data.publish(Endpoint(**{**card, "bundle_path": str(bundle)}))

    def gateway(self, words: str) -> "contextlib.closing[Gateway]":
        return contextlib.closing(Gateway(self.data.instance, words))

    def begin(self, *command: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(self.data.root), *command],
            env={"PATH": os.environ["PATH"], **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, given: str | None = None, **env: str) -> tuple[int, str]:
        with self.begin(*command, **env) as process:
            output, _ = process.communicate(given, timeout=60)
            return process.returncode, output.rstrip("\n")


@pytest.fixture
def place() -> Iterator[Place]:
    if probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    folder = Path(tempfile.mkdtemp(prefix="cmle-test-"))
    place = Place(folder)
    yield place
    place.data.close()
    remove_folder(folder)


@pytest.mark.parametrize(
    "name", ["metadata.google.internal", "169.254.169.254", "ml.googleapis.com"]
)
def test_googles_names_lead_to_the_gateway(place: Place, name: str) -> None:
    with place.gateway("hello"):
        assert place.run(sys.executable, "-c", GET.format(name)) == (0, "hello")


def test_keeps_folder_input_output_and_code(place: Place) -> None:
    with place.gateway(""):
        command = "cat; pwd; id -u; echo $OWN; exit 42"
        found = place.run("/bin/sh", "-c", command, given="typed\n", OWN="own")
    assert found == (42, f"typed\n{Path.cwd()}\n{os.getuid()}\nown")


def test_reaches_nothing_else(place: Place) -> None:
    code = "import socket, sys; print(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))))"
    with place.gateway(""), socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert place.run(sys.executable, "-c", code, port) == (0, "111")


def test_shows_the_bundle(place: Place) -> None:
    path = "/etc/ssl/certs/ca-certificates.crt"
    if not Path(path).parent.is_dir():
        pytest.skip("this distribution keeps its authorities elsewhere")
    with place.gateway(""):
        assert place.run("/bin/cat", path) == (0, "the bundle")
    assert not Path(path).exists() or Path(path).read_text() != "the bundle"


def test_a_signal_reaches_the_command(place: Place) -> None:
    code = "trap 'echo got it; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    with place.gateway(""), place.begin("/bin/sh", "-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (5, "got it\n")


def test_a_deadly_signal_becomes_a_code(place: Place) -> None:
    with place.gateway(""):
        assert place.run("/bin/sh", "-c", "kill -KILL $$") == (137, "")


def test_the_command_ends_with_a_killed_runner(place: Place) -> None:
    code = "import time; print('up', flush=True); time.sleep(600)"
    with place.gateway(""), place.begin(sys.executable, "-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
        assert process.stdout.read() == ""  # its other writer, the command, is gone as well


def test_a_new_gateway_serves_on(place: Place) -> None:
    code = f"import sys\nfor _ in sys.stdin:\n    {GET.format('metadata')}\n    sys.stdout.flush()"
    with place.gateway("first"):
        process = place.begin(sys.executable, "-u", "-c", code)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "first\n"
    with process, place.gateway("second"):
        output, _ = process.communicate("\n", timeout=60)
        assert (process.returncode, output) == (0, "second\n")


def test_a_command_that_is_not_there(place: Place) -> None:
    with place.gateway(""):
        code, output = place.run("no-such-command")
    assert (code, output) == (127, "refused: no-such-command: command not found")


def test_no_emulator_is_said(place: Place) -> None:
    place.data.close()
    code, output = place.run("true")
    assert code == 1
    assert "cmle serve" in output


def test_variables_lead_nowhere_else() -> None:
    given = {"https_proxy": "x", "ALL_PROXY": "x", "STORAGE_EMULATOR_HOST": "x", "KEPT": "1"}
    found = variables(given, CARD, "/gcloud")
    assert "https_proxy" not in found
    assert "ALL_PROXY" not in found
    assert "STORAGE_EMULATOR_HOST" not in found
    assert found["KEPT"] == "1"
    assert found["SSL_CERT_FILE"] == "/bundle"
    assert found["CLOUDSDK_CONFIG"] == "/gcloud"
    assert found["GCE_METADATA_IP"] == "metadata.google.internal"
