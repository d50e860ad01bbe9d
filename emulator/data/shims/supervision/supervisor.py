"""Owner of a site's replicas: starts them, writes their lines and ends, outlives the emulator.

``python -I -S supervisor.py SITE_DIR`` answers on the control socket that SITE_DIR/spec.json
names, one JSON object a line:

``{"start": replica}`` → ``{"ok": true, "pid": N}`` once its program runs or could not;
``{"wait": name}`` → what exit.json holds, once it has ended;
``{"stop": {"names": [...] | null, "grace_s": S}}`` → ``{"ok": true}`` when all those have ended;
``{"usage": [name, …]}`` → the CPU seconds that each of them has used so far;
``{"status": true}`` → the replicas and their way to the gateway;
``{"close": true}`` → stops what runs, answers, and ends the supervisor.

It leaves the process that started it as soon as it listens. When nobody has held the data
directory's lock for ``grace_s``, it stops everything and ends.
"""

import contextlib
import fcntl
import json
import os
import re
import resource
import selectors
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from handover import is_ours
from kernel import adopt_orphans
from minder import end_descendants
from place import Site
from running import Running

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux
_STOP_GRACE_S = 10.0
_WATCH_S = 0.5
_RETRY_S = 0.5
_UNWRITTEN_S = 30.0  # how long an abandoned supervisor waits for room on the disk
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Client:
    """A connection to the control socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""

    def answer(self, **content: object) -> None:
        with contextlib.suppress(OSError):  # it has gone
            self.connection.send(json.dumps(content).encode() + b"\n")


class Supervisor:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        with open(f"{folder}/spec.json") as file:
            self._site = Site(json.load(file))
        _raise_file_limit()
        known = f"{folder}/addresses.json"
        _write_whole(known, self._site.connect(_read(known)))
        self._selector = selectors.DefaultSelector()
        self._site.breed(folder, self._selector, _say)
        self._replicas: dict[str, Running] = {}
        self._written: set[str] = set()
        self._parked: list[tuple[Client, list[str], bool]] = []  # waiting for these to end
        self._closing: Client | None = None
        self._leaving_at: float | None = None
        self._ending = False
        self._lone_since: float | None = None
        self._watch_at = 0.0
        self._write_at = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind("\0" + self._site["socket"])
        self._socket.listen(64)
        self._socket.setblocking(False)

    def run(self) -> None:
        adopt_orphans()  # those that zygotes fork
        self._selector.register(self._socket, selectors.EVENT_READ, self._accept)
        waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._terminated)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(waking, selectors.EVENT_READ, lambda: os.read(waking, 4096))
        due = 0.0
        while not self._is_done():
            for key, _ in self._selector.select(max(0.0, min(due - time.monotonic(), _WATCH_S))):
                if self._selector.get_map().get(key.fd) is key:  # not undone by an earlier one
                    key.data()
            due = self._step()
        self._site.close()
        end_descendants()
        if self._closing:
            self._closing.answer(ok=True)

    def _step(self) -> float:
        now = time.monotonic()
        if now >= self._watch_at:
            self._watch_at = now + min(_WATCH_S, self._site["grace_s"] / 4)
            self._watch_lock(now)
        due = min((replica.step() for replica in self._replicas.values()), default=now + _WATCH_S)
        due = min(due, self._site.step())
        if now >= self._write_at:
            self._write_ends(now)
        self._answer_parked()
        return min(due, self._watch_at)

    def _is_done(self) -> bool:
        """Whether it may go: asked to, or left alone; all has ended and is on disk."""
        if self._closing is None and not self._ending:
            return False
        if any(replica.result is None for replica in self._replicas.values()):
            return False
        if len(self._written) < len(self._replicas):
            now = time.monotonic()
            self._leaving_at = self._leaving_at or now + _UNWRITTEN_S
            if now < self._leaving_at:
                return False
        return True

    # -- requests

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        if not is_ours(connection):
            connection.close()
            return
        connection.setblocking(False)
        client = Client(connection)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._hear(client))

    def _hear(self, client: Client) -> None:
        try:
            data = client.connection.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(client.connection)
            client.connection.close()
            self._parked = [row for row in self._parked if row[0] is not client]
            return
        *lines, client.received = (client.received + data).split(b"\n")
        for line in lines:
            try:
                self._serve(client, json.loads(line))
            except (OSError, ValueError, KeyError, TypeError) as error:
                client.answer(error=f"{type(error).__name__}: {error}")

    def _serve(self, client: Client, request: dict) -> None:
        if "start" in request:
            self._start(client, request["start"])
        elif "wait" in request:
            name = request["wait"]
            if name not in self._replicas:
                client.answer(error=f"no replica {name} was started here")
            else:
                self._parked.append((client, [name], True))
        elif "stop" in request:
            names = request["stop"].get("names")
            chosen = [name for name in self._replicas if names is None or name in names]
            self._stop("stopped", request["stop"].get("grace_s", _STOP_GRACE_S), chosen)
            self._parked.append((client, chosen, False))
        elif "close" in request:
            self._closing = client
            self._stop("stopped", request.get("grace_s", 0), list(self._replicas))
        elif "usage" in request:
            client.answer(ok=True, cpu_seconds=self._usage(request["usage"]))
        elif "status" in request:
            client.answer(ok=True, pid=os.getpid(), replicas=self._status())
        else:
            client.answer(error="start, wait, stop, usage, status and close are understood")
        self._answer_parked()

    def _start(self, client: Client, replica: dict) -> None:
        name = replica["name"]
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a replica")
        if name in self._replicas:
            raise ValueError(f"{name} was started already")
        if self._closing or self._ending:
            raise ValueError("this site is closing")
        folder = f"{self._folder}/replicas/{name}"
        os.makedirs(folder, 0o700, exist_ok=True)
        _write_whole(f"{folder}/spec.json", replica)
        running = Running(self._site, replica, folder, self._selector, _say)
        self._replicas[name] = running
        running.on_start(lambda: client.answer(ok=True, pid=running.pid))

    def _stop(self, reason: str, grace_s: float, names: list[str]) -> None:
        for name in names:
            self._replicas[name].stop(reason, grace_s)

    def _usage(self, names: list[str]) -> dict:
        known = [name for name in names if name in self._replicas]
        return {name: self._replicas[name].cpu_seconds() for name in known}

    def _status(self) -> dict:
        return {
            name: {
                "pid": replica.pid,
                "running": replica.result is None,
                "gateway": bool(replica.handover and replica.handover.registered),
            }
            for name, replica in self._replicas.items()
        }

    # -- ends

    def _write_ends(self, now: float) -> None:
        for name, replica in self._replicas.items():
            if replica.result is not None and name not in self._written:
                try:
                    _write_whole(f"{self._folder}/replicas/{name}/exit.json", replica.result)
                except OSError as error:
                    _say(f"The end of {name} is kept until it can be written: {error}")
                    self._write_at = now + _RETRY_S
                else:
                    self._written.add(name)

    def _answer_parked(self) -> None:
        still = []
        for client, names, with_result in self._parked:
            results = [self._replicas[name].result for name in names]
            if None in results:
                still.append((client, names, with_result))
            elif with_result:
                client.answer(**results[0])
            else:
                client.answer(ok=True)
        self._parked = still

    def _terminated(self, *_: object) -> None:
        self._ending = True
        self._stop("stopped", _STOP_GRACE_S, list(self._replicas))

    def _watch_lock(self, now: float) -> None:
        if _is_held(self._site["lock"]):
            self._lone_since = None
            return
        self._lone_since = self._lone_since or now
        if now - self._lone_since >= self._site["grace_s"] and not self._ending:
            _say("No emulator holds the data directory any more; stopping.")
            self._ending = True
            self._stop("abandoned", _STOP_GRACE_S, list(self._replicas))


def _is_held(path: str) -> bool:
    """Whether an emulator runs on the data directory."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
    finally:
        os.close(handle)


def _raise_file_limit() -> None:
    """A large site holds several descriptors for each replica; its processes get their own limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _read(path: str) -> dict:
    try:
        with open(path) as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return {}


def _write_whole(path: str, content: dict) -> None:
    """Write so that after a crash the old file is there or the new one, never a part."""
    part = f"{path}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _say(text: str) -> None:
    """Into the site's supervisor.log, if there is room."""
    with contextlib.suppress(OSError):
        os.write(2, f"{time.strftime('%H:%M:%S')} {text}\n".encode())


def _detach(folder: str) -> None:
    """Leave the starting process, its session and its output."""
    if os.fork():
        os._exit(0)  # the control socket listens: whoever waits for us may go on
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    null = os.open("/dev/null", os.O_RDWR)
    log = os.open(f"{folder}/supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, source in enumerate((null, log, log)):
        os.dup2(source, number)
    os.close(null)
    os.close(log)


def main() -> None:
    folder = os.path.abspath(sys.argv[1])
    try:
        supervisor = Supervisor(folder)
    except OSError as error:
        sys.exit(str(error))
    _detach(folder)
    supervisor.run()


if __name__ == "__main__":
    main()
