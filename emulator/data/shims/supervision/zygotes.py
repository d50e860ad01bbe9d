"""The site's zygotes, one for each interpreter, environment and list of modules.

Importing TensorFlow takes seconds and hundreds of megabytes; a fork of a process that has done
so takes neither. See ``zygote`` for the process itself.
"""

import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

import sandbox

FEWEST = 3  # replicas of a site for which an import in advance pays
_IMPORT_DEADLINE_S = 120.0
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zygote.py")
_OF_ONE_REPLICA = ("TF_CONFIG", "CLUSTER_SPEC", "PYTHONPATH", "TMPDIR", "HOSTNAME")
_OF_ONE_REPLICA_PREFIXES = ("CLOUD_ML_", "CMLE_")


class Zygote:
    """``state`` is "importing", "ready" or "failed"; ``on_change`` is called when it changes."""

    def __init__(
        self, argv: list, env: dict, selector: selectors.BaseSelector, say: Callable[[str], None]
    ) -> None:
        import subprocess  # by those that need it: a supervisor starts for every job

        self.state = "importing"
        self._waiting: list[Callable[[], None]] = []
        self._selector = selector
        self._say = say
        self._name = " ".join(argv[1:])
        self._give_up_at = time.monotonic() + _IMPORT_DEADLINE_S
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [argv[0], _PROGRAM, str(theirs.fileno()), *argv[1:]],
                env=env,
                cwd=env["HOME"],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket.setblocking(False)
        selector.register(self._socket, selectors.EVENT_READ, self._hear)

    def when_decided(self, call: Callable[[], None]) -> None:
        """Call once it is ready or has failed."""
        if self.state == "importing":
            self._waiting.append(call)
        else:
            call()

    def start(self, plan: sandbox.Plan, control: socket.socket) -> bool:
        """Fork the plan's process; False where that cannot be."""
        files, joins = list(plan.files), list(plan.joins)
        request = {
            "plan": {**vars(plan), "files": [], "joins": []},
            "parent": os.getpid(),
            "files": len(files),
        }
        try:
            self._socket.setblocking(True)
            sandbox.send(self._socket, json.dumps(request).encode(), [control.fileno(), *files, *joins])
            self._socket.setblocking(False)
        except OSError as error:
            self._fail(f"does not answer any more ({error})")
            return False
        return True

    def step(self) -> float:
        """What time brings about; answer when to be called again."""
        if self.state != "importing":
            return float("inf")
        if time.monotonic() >= self._give_up_at:
            self._fail(f"took longer than {_IMPORT_DEADLINE_S:.0f} s to import")
        return self._give_up_at

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        if self._socket.fileno() >= 0:
            self._selector.unregister(self._socket)
            self._socket.close()

    def _hear(self) -> None:
        try:
            message = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        said = json.loads(message) if message else {"failed": "it ended"}
        if "failed" in said:
            self._fail(said["failed"])
        else:
            self._decide("ready")

    def _fail(self, why: str) -> None:
        self._say(f"No replica is forked from one with {self._name} imported: {why}.")
        self.close()
        self._decide("failed")

    def _decide(self, state: str) -> None:
        self.state = state
        calls, self._waiting = self._waiting, []
        for call in calls:
            call()


class Zygotes:
    def __init__(
        self, folder: str, selector: selectors.BaseSelector, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._selector = selector
        self._say = say
        self._known: dict[tuple, Zygote] = {}

    def of(self, replica: dict) -> Zygote | None:
        """The one to fork the replica from; None where it is to be started by an exec."""
        argv, modules = replica["argv"], list(replica.get("preload") or ())
        env = replica["env"]
        if not modules or len(argv) < 3 or argv[1] != "-m" or not os.path.isabs(argv[0]):
            return None
        if any(name.startswith("CMLE_") and name.endswith("_STUB") for name in env):
            self._say(f"{replica['name']} imports by itself: a stub takes part in that.")
            return None
        shared = {
            name: value
            for name, value in env.items()
            if name not in _OF_ONE_REPLICA
            and not name.startswith(_OF_ONE_REPLICA_PREFIXES)
            and "{gateway_port}" not in value
        }
        key = (argv[0], *modules, *sorted(shared.items()))
        if key not in self._known:
            os.makedirs(self._folder, 0o700, exist_ok=True)
            # A home of its own: libraries write settings there when they are imported.
            env = {**shared, "HOME": self._folder}
            try:
                zygote = Zygote([argv[0], *modules], env, self._selector, self._say)
            except OSError as error:
                self._say(f"{argv[0]} cannot be run to import {' '.join(modules)}: {error}.")
                return None
            self._known[key] = zygote
        zygote = self._known[key]
        return None if zygote.state == "failed" else zygote

    def step(self) -> float:
        return min((zygote.step() for zygote in self._known.values()), default=float("inf"))

    def close(self) -> None:
        for zygote in self._known.values():
            zygote.close()
