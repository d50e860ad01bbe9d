"""One command of the user's in namespaces where Google's hosts are the emulator.

Its files, working directory, terminal and exit code are the user's own; only the network,
/etc/hosts and the bundle of authorities differ.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from emulator import catalog, environment, shipped
from emulator.cluster import Network
from emulator.datadir import DataDir, Endpoint
from emulator.errors import OperatorError
from emulator.hosts import google_hosts
from emulator.identity import Identity, Kind
from emulator.isolation import explain

ENCLOSE: Final = shipped.SHIMS / "supervision" / "enclose.py"
_TICK_S: Final = 0.1
_ANSWER_S: Final = 5.0
_PATIENCE_S: Final = 10.0  # for a gateway that is just being restarted
_FORWARDED: Final = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
)
_SEEN: Final = ("CLOUDSDK_", "GOOGLE_CLOUD_PROJECT")  # of what a person's shell gets
_MISLEADING: Final = frozenset(  # variables that would lead around the names
    {
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy", "no_grpc_proxy"),
        *("STORAGE_EMULATOR_HOST", "GCE_METADATA_HOST", "GCE_METADATA_ROOT", "NO_GCE_CHECK"),
        "SSL_CERT_DIR",
    }
)


def run(command: Sequence[str], data_dir: Path, env: Mapping[str, str]) -> int:
    """Run ``command`` to its end and answer its exit code; 128 + N when signal N ended it.

    ``env`` is the user's environment. Raises OperatorError when no emulator runs on
    ``data_dir``, when namespaces are not allowed here, or when there is no such command.
    """
    data = DataDir(data_dir)
    card = data.endpoint()
    if card is None:
        raise OperatorError(
            f"No emulator runs on {data.root}. Start one with `cmle serve --data-dir {data.root}`."
        )
    with contextlib.ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="cmle-run-")
        stack.callback(folder.cleanup)
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(_blocked())
        with theirs:
            plan = {
                "fd": theirs.fileno(),
                "bundle": card.bundle_path,
                "files": _files(Path(folder.name)),
            }
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(ENCLOSE), json.dumps(plan), *command],
                env=variables(env, card, str(data.root / "gcloud")),
                pass_fds=[theirs.fileno()],
            )
        stack.enter_context(_reaped(process))
        listeners = [stack.enter_context(sock) for sock in _received(ours, process)]
        folder.cleanup()  # the mounts keep the files, and nothing stays if we are killed
        door = stack.enter_context(_Door(data.instance, card.project, listeners))
        door.open(_PATIENCE_S)
        ours.send(b"g")
        if failure := ours.recv(65536):  # nothing, when it became the command
            raise _failure(json.loads(failure))
        return _attend(process, door)


def variables(env: Mapping[str, str], card: Endpoint, gcloud_dir: str) -> dict[str, str]:
    """The user's environment, less what leads elsewhere, with what the emulator needs."""
    kept = {
        name: value
        for name, value in environment.before(env).items()
        if name not in _MISLEADING and name.lower() not in _MISLEADING
    }
    person = environment.variables(card.url, card.bundle_path, card.project, gcloud_dir)
    chosen = {name: value for name, value in person.items() if name.startswith(_SEEN)}
    return kept | chosen | environment.namespace_variables(card.bundle_path)


class _Door:
    """The listeners in the gateway's hands, handed over again when it was restarted."""

    def __init__(self, instance: str, project: str, listeners: Sequence[socket.socket]) -> None:
        self._name = f"\0cmle-gateway-{instance}"
        network = Network(Identity(Kind.USER, project))
        self._request = msgspec.json.encode({"listen": network}) + b"\n"
        self._listeners = listeners
        self._connection: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def open(self, patience_s: float) -> None:
        """Hand over for the first time; OperatorError when there is no gateway to be found."""
        deadline = time.monotonic() + patience_s
        while not self.keep():
            if time.monotonic() > deadline:
                raise OperatorError(
                    "The emulator's gateway does not answer. Look at what `cmle serve` prints."
                )
            time.sleep(_TICK_S)

    def keep(self) -> bool:
        """Hand over if that is to be done; answer whether the gateway has the listeners."""
        if self._connection is not None and not _has_ended(self._connection):
            return True
        if self._connection is not None:
            self._connection.close()
        self._connection = self._hand_over()
        return self._connection is not None

    def _hand_over(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(self._name)
            numbers = [listener.fileno() for listener in self._listeners]
            socket.send_fds(connection, [self._request], numbers)
            answer = connection.recv(65536)
        except OSError:
            connection.close()
            return None
        if not answer or "error" in (said := json.loads(answer)):
            connection.close()
            if answer:
                raise OperatorError(f"The gateway refused the command: {said['error']}")
            return None
        connection.setblocking(False)  # noqa: FBT003 the socket module's own signature
        return connection


def _has_ended(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _files(folder: Path) -> dict[str, str]:
    """What stands in for files of /etc: Google's names, and no other way to find names."""
    own = _text("/etc/hosts") or "127.0.0.1 localhost\n::1 localhost\n"
    names = "".join(f"127.0.0.1 {name}\n" for name in google_hosts(catalog.load().regions))
    sources = re.sub(r"(?m)^hosts:.*$", "hosts: files", _text("/etc/nsswitch.conf"))
    contents = {"hosts": f"{names}{own}", "nsswitch.conf": sources, "resolv.conf": ""}
    for name, text in contents.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return {f"/etc/{name}": str(folder / name) for name in contents}


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _received(ours: socket.socket, process: subprocess.Popen[bytes]) -> list[socket.socket]:
    message, numbers, _, _ = socket.recv_fds(ours, 65536, 8)
    if not message:
        raise OperatorError(f"The command could not be started (status {process.wait()}).")
    content = json.loads(message)
    if "failed" in content:
        raise OperatorError(
            f"Namespaces cannot be used here: {explain(content['failed'], Path('/proc/sys'))}. "
            'Use `eval "$(cmle env)"` in your shell instead.'
        )
    return [socket.socket(fileno=number) for number in numbers]


def _failure(content: dict[str, Any]) -> OperatorError:
    return OperatorError(content["failed"], content["code"])


@contextlib.contextmanager
def _blocked() -> Iterator[None]:
    """Signals wait for ``_attend``; the command itself starts with none blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _reaped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _attend(process: subprocess.Popen[bytes], door: _Door) -> int:
    """Forward signals and keep the door open until the command ends."""
    while (code := process.poll()) is None:
        came = signal.sigtimedwait(_FORWARDED | {signal.SIGCHLD}, _TICK_S)
        # A terminal sends to the command as well; only what a program sent is passed on.
        if came is not None and came.si_signo != signal.SIGCHLD and came.si_code <= 0:
            process.send_signal(came.si_signo)
        door.keep()
    return code if code >= 0 else 128 - code
