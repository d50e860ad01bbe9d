"""A replica that runs: its streams, its minder, its way to the gateway, and its end."""

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable

import sandbox
from handover import Handover
from limits import Limits
from lines import Records, Stream, Writer
from processes import cpu_seconds
from place import Site
from zygotes import Zygote

_DRAIN_S = 2.0  # for pipes that someone outside still holds
_PORT = "{gateway_port}"


class Running:
    """One replica from its start to its result; ``result`` is None until it has ended."""

    def __init__(
        self,
        site: Site,
        replica: dict,
        folder: str,
        selector: selectors.BaseSelector,
        say: Callable[[str], None],
    ) -> None:
        self.name: str = replica["name"]
        self.pid: int | None = None
        self.result: dict | None = None
        self.handover: Handover | None = None
        self._site = site
        self._replica = replica
        self._folder = folder
        self._selector = selector
        self._say = say
        self._reason = ""
        self._kill_at = float("inf")
        self._give_up_at = float("inf")
        self._minder: int | None = None  # not yet, or not known
        self._handed = contextlib.ExitStack()  # the process's own ends, until it has them
        self._waits = False  # for the zygote that it is to be forked from
        self._status: int | None = None
        self._failure = ""
        self._reaped = False
        self._started: Callable[[], None] | None = None
        self._root = f"{folder}/root"
        self._temporary = ""
        self._start()

    def _start(self) -> None:
        replica = self._replica
        with contextlib.ExitStack() as undo:
            os.makedirs(self._root, 0o700, exist_ok=True)
            if replica["isolation"] == "none" and "TMPDIR" not in replica["env"]:
                import tempfile  # here only: a supervisor starts for every job

                self._temporary = tempfile.mkdtemp(prefix="cmle-")  # short: sockets go there
                undo.callback(shutil.rmtree, self._temporary, ignore_errors=True)
            self._writer = Writer(f"{self._folder}/lines.jsonl")
            undo.callback(self._writer.close)
            self._records = Records(self._writer)
            self._streams = [Stream(name, self._writer) for name in ("stdout", "stderr")]
            sources = (*self._streams, self._records)
            for source in sources:
                undo.callback(source.close)
            tag = f"cmle-{self._site['instance']}-{self._site['site_id']}-{self.name}"
            self._limits = Limits(tag[:200], replica, self._say)
            undo.callback(self._limits.close)
            with contextlib.ExitStack() as handed:
                for source in sources:
                    handed.callback(os.close, source.writing)
                served = [
                    handed.enter_context(_listen_abstract(name))
                    for name in replica.get("listen", ())
                ]
                files = [
                    *(stream.writing for stream in self._streams),
                    *(listener.fileno() for listener in served),
                    self._records.writing,
                ]
                undo.callback(lambda: self.handover and self.handover.close())
                self.started = time.time()
                self._control, theirs = sandbox.pair()
                handed.callback(theirs.close)
                plan = self._plan(files, len(served))
                self._handed = handed.pop_all()
            undo.callback(self._handed.close)
            zygote = self._site.zygote(replica)
            self._waits = zygote is not None
            if zygote is None:
                self._begin(plan, theirs)
            undo.pop_all()
        self._open = [*sources]
        for source in sources:
            self._selector.register(source.reading, selectors.EVENT_READ, self._reader(source))
        self._selector.register(self._control, selectors.EVENT_READ, self._listen)
        if zygote is not None:
            zygote.when_decided(self._begin_forked(zygote, plan, theirs))

    def _begin(self, plan: sandbox.Plan, theirs: socket.socket) -> None:
        """Fork the minder here."""
        self._minder = sandbox.start(plan, theirs)
        self._handed.close()

    def _begin_forked(
        self, zygote: Zygote, plan: sandbox.Plan, theirs: socket.socket
    ) -> Callable[[], None]:
        def begin() -> None:
            if not self._waits:
                return  # it was stopped meanwhile
            self._waits = False
            if zygote.state == "ready" and zygote.start(plan, theirs):
                self._handed.close()
            else:
                self._begin(plan, theirs)

        return begin

    def _plan(self, files: list[int], served: int) -> sandbox.Plan:
        bundle = self._site.get(self._trusted()) or self._site.get("bundle")
        return sandbox.Plan(
            self._replica,
            env={**self._replica["env"], **self._variables(served)},
            files=files,
            root=self._root,
            names=self._site["hosts"],
            bundle=bundle if bundle and os.path.exists(bundle) else None,
            groups=self._limits.groups.folders,
            affinity=self._limits.affinity,
            temporary=self._temporary,
            **self._site.neighbours(self._replica),
        )

    def _trusted(self) -> str:
        """Our authority alone where nobody else can be reached.

        TensorFlow opens a connection for each request and reads the whole file every time: with
        the system's authorities in it a small request takes three times as long.
        """
        network = self._replica.get("network") or {}
        google_alone = network.get("scope") == "google" and not network.get("allow_hosts")
        return "authority" if google_alone else "bundle"

    def stop(self, reason: str, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after the grace; the first reason stays."""
        if self.result is None:
            self._reason = self._reason or reason
            self._kill_at = min(self._kill_at, time.monotonic() + grace_s)
            if self._waits:  # nothing of it runs yet
                self._waits = False
                self._handed.close()
                self._status = signal.SIGTERM
            self._order(b"K" if grace_s <= 0 else b"T")

    def cpu_seconds(self) -> float:
        """What its processes have used of the CPUs so far."""
        return cpu_seconds(self._minder) if self._minder and self.result is None else 0.0

    def step(self) -> float:
        """What time alone brings about; answer when to be called again, at the latest."""
        now = time.monotonic()
        if self.result is not None:
            return float("inf")
        if self.handover:
            self.handover.step()
        if self._minder and now >= self._limits.due:
            folders = [self._replica["work_dir"], *filter(None, [self._temporary])]
            if self._limits.exceeded(self._minder, folders, now):
                self._order(b"K")
        if now >= self._kill_at:
            self._kill_at = float("inf")
            self._order(b"K")
        if not self._reaped and self._control.fileno() < 0:
            self._reaped = not self._minder or os.waitpid(self._minder, os.WNOHANG)[0] != 0
        if self._control.fileno() < 0 and (
            (not self._open and self._reaped) or now >= self._give_up_at
        ):
            self._finish()
            return now
        return self._next(now)

    def _next(self, now: float) -> float:
        if self._control.fileno() < 0:
            return now + 0.005
        times = [self._kill_at]
        if self._minder:
            times.append(self._limits.due)
        if self.handover and not self.handover.registered:
            times.append(self.handover.due)
        return min(times)

    def _variables(self, served: int) -> dict[str, str]:
        """What the supervisor adds to the environment that it was given."""
        added = {
            "CMLE_LOG_FD": str(3 + served),
            "CMLE_LOG_INODE": str(self._records.inode),
        }
        if served:
            added["CMLE_LISTEN_FDS"] = str(served)
        if self._temporary:
            added["TMPDIR"] = self._temporary
        port = 80
        if self._replica.get("network") and self._replica["isolation"] == "none":
            listener = sandbox.listen(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            self._hand_over([listener])
        for name, value in self._replica["env"].items():
            if _PORT in value:
                added[name] = value.replace(_PORT, str(port))
        return added

    def _hand_over(self, listeners: list[socket.socket]) -> None:
        network = self._replica["network"]
        self.handover = Handover(self._site.gateway, network, listeners, self._selector, self._say)
        self.handover.step()

    def _reader(self, source: Stream | Records) -> Callable[[], None]:
        def read() -> None:
            if not source.read():
                self._selector.unregister(source.reading)
                self._open.remove(source)

        return read

    def _listen(self) -> None:
        """Hear the minder."""
        try:
            data, ancillary, _, _ = self._control.recvmsg(
                65536, socket.CMSG_SPACE(12) + socket.CMSG_SPACE(64), socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, ConnectionResetError):
            return  # it closed with an order unread: what it said before comes now
        pid, numbers = _ancillary(ancillary)
        if not data:
            self._selector.unregister(self._control)
            self._control.close()
            self._give_up_at = time.monotonic() + _DRAIN_S
            self._answer()
            return
        message = json.loads(data)
        if "child" in message:
            self.pid = pid
        elif "minder" in message:
            self._minder = pid
        elif "listeners" in message:
            self._hand_over([socket.socket(fileno=number) for number in numbers])
        elif "failed" in message:
            self._failure = message["failed"]
        elif "started" in message:
            self._answer()
        elif "ended" in message:
            self._status = message["ended"]

    def on_start(self, call: Callable[[], None]) -> None:
        """Call once, when its program runs or could not be started."""
        self._started = call

    def _answer(self) -> None:
        call, self._started = self._started, None
        if call:
            call()

    def _order(self, order: bytes) -> None:
        if self._control.fileno() >= 0:
            with contextlib.suppress(OSError):  # it ended meanwhile
                self._control.send(order)

    def _finish(self) -> None:
        for source in (*self._streams, self._records):
            if source in self._open:
                self._selector.unregister(source.reading)
            source.close()
        self._open = []
        self._writer.close()
        if self.handover:
            self.handover.close()
        out_of_memory = self._limits.ran_out_of_memory
        self._limits.close()
        with contextlib.suppress(OSError):
            os.rmdir(self._root)
        status = signal.SIGKILL if self._status is None else self._status
        code = os.waitstatus_to_exitcode(status)
        failed = bool(self._failure)
        killed = code == -signal.SIGKILL and not self._reason
        self.result = {
            "reason": "failed_to_start" if failed else self._reason or "exited",
            "code": code if code >= 0 and not failed else None,
            "signal": -code if code < 0 and not failed else None,
            "out_of_memory": killed and out_of_memory,
            "traceback": self._records.traceback,
            "message": self._failure or (self._limits.message if killed else ""),
            "started": self.started,
            "ended": time.time(),
        }


def _listen_abstract(name: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"\0{name}")
    listener.listen(sandbox.BACKLOG)
    return listener


def _ancillary(items: list) -> tuple[int | None, list[int]]:
    pid, numbers = None, []
    for level, kind, data in items:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("3i", data[:12])[0]
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers += struct.unpack(f"{len(data) // 4}i", data)
    return pid, numbers
