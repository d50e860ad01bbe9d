"""One process of its own world: in namespaces, or as a plain process group with a minder.

``start`` forks the *minder*: init of the pid namespace, or the reaper of a plain process's
orphans. Over the control pair (see ``minder``) it says ``{"child": true}`` (sent by the process
itself: its pid comes with the credentials), ``{"listeners": true}`` with descriptors,
``{"started": true}``, ``{"failed": text}`` and ``{"ended": wait status}``.

Runs on Python 3.7 too, within a replica's own interpreter: see ``zygote``.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel
from minder import attend, tell
from root import Root

PORTS = ("127.0.0.1", 443), ("127.0.0.1", 80)
METADATA = (kernel.METADATA_ADDRESS, 80)
BACKLOG = 512
_MAX_FILES = 65536
_NAMESPACES = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)  # fmt: skip


class Plan:
    """What is to be started: the replica's description, and what the supervisor adds.

    ``files`` become the descriptors 1, 2, 3 …; ``root`` is an empty folder. The folder
    ``temporary`` goes with the process, even if its supervisor is gone by then. ``joins`` are
    the hub and the host's namespace of a site's network (descriptors), ``peers`` its addresses,
    ``groups`` the control groups and ``affinity`` the CPUs to be in.
    """

    def __init__(self, replica: dict, *, env: dict, files: list, root: str, **extra) -> None:
        self.replica = replica
        self.argv = replica["argv"]
        self.env = env
        self.files = files
        self.root = root
        self.names: list = extra.get("names", [])
        self.bundle: str | None = extra.get("bundle")
        self.groups: list = extra.get("groups", [])
        self.affinity: list | None = extra.get("affinity")
        self.joins: list = extra.get("joins", [])
        self.peers: dict = extra.get("peers", {})
        self.temporary: str | None = extra.get("temporary")

    @property
    def isolated(self) -> bool:
        return self.replica["isolation"] == "namespaces"

    @property
    def cwd(self) -> str:
        work_dir = self.replica["work_dir"]
        if self.isolated:
            for bind in self.replica.get("binds", ()):
                if bind["source"] == work_dir:
                    return bind["target"]
        return work_dir

    @property
    def scratch_bytes(self) -> int | None:
        """What /tmp and the other places of its own may hold: they are in memory."""
        disk = None if self.replica.get("has_full_disk") else self.replica.get("disk_bytes")
        limits = [disk, self.replica.get("memory_bytes")]
        return min((limit for limit in limits if limit), default=None)


class Chosen(BaseException):
    """Raised in the new process in place of an exec, for who runs a module without one."""


def pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end, which hears who speaks, and the minder's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    ours.setblocking(False)
    return ours, theirs


def start(plan: Plan, control: socket.socket) -> int:
    """Start the plan's process; answer the minder's pid. ``control`` is the minder's end."""
    pid = os.fork()
    if pid == 0:
        mind(plan, control, _execute)
    return pid


def mind(plan: Plan, control: socket.socket, become: Callable[[Plan], None]) -> None:
    """Be the minder of a process that becomes what ``become`` makes of it; do not return.

    But for Chosen, which comes through in that process.
    """
    try:
        _mind(plan, control, become)
    except Chosen:
        raise
    except BaseException as error:
        tell(control, failed=_words(error))
    if plan.temporary:
        shutil.rmtree(plan.temporary, ignore_errors=True)
    os._exit(0)


def _mind(plan: Plan, control: socket.socket, become: Callable[[Plan], None]) -> None:
    _forget_supervisor({control.fileno(), *plan.files, *plan.joins})
    for folder in plan.groups:
        with open(f"{folder}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    if plan.affinity:
        os.sched_setaffinity(0, plan.affinity)
    if not plan.isolated:
        kernel.adopt_orphans()
        attend(_child(plan, control, become), control, isolated=False)
        return
    kernel.die_with_parent(signal.SIGKILL)
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        os.setgroups([])  # a user namespace of an ordinary user keeps them, mapped to nobody
    if plan.joins:
        _join(plan, control)
        kernel.unshare(_NAMESPACES & ~kernel.CLONE_NEWNET)
        kernel.map_user(0, 0, 0, 0)
    else:
        kernel.unshare(_NAMESPACES)
        kernel.map_user(0, 0, uid, gid)
    pid = os.fork()
    if pid:
        control.close()
        for file in plan.files:
            os.close(file)
        os.waitpid(pid, 0)
        return
    kernel.die_with_parent(signal.SIGKILL)
    _furnish(plan, control)
    attend(_child(plan, control, become), control, isolated=True)


def _forget_supervisor(keep: set) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:
                pass  # the listing's own descriptor


def _join(plan: Plan, control: socket.socket) -> None:
    """Enter the host's network, and leave its powers behind with the user namespace to come."""
    hub, network = plan.joins
    kernel.join(hub, kernel.CLONE_NEWUSER)
    kernel.join(network, kernel.CLONE_NEWNET)
    for number in plan.joins:
        os.close(number)
    _open_network(plan, control)


def _open_network(plan: Plan, control: socket.socket) -> None:
    """Bring the loopback up and hand its listeners to the supervisor."""
    network = plan.replica.get("network")
    google = bool(network) and network["scope"] == "google"
    kernel.loopback_up(metadata=google)
    if network:
        listeners = [listen(place) for place in (*PORTS, METADATA)[: 3 if google else 2]]
        message = json.dumps({"listeners": True}).encode()
        send(control, message, [listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()


def _furnish(plan: Plan, control: socket.socket) -> None:
    os.umask(0)
    name = plan.replica.get("hostname") or plan.replica["name"]
    hostname = name.replace("_", "-").replace(".", "-")[:63]
    kernel.set_hostname(hostname)
    if not plan.joins:
        _open_network(plan, control)
    network = plan.replica.get("network")
    google = bool(network) and network["scope"] == "google"
    root = Root(plan.root, plan.scratch_bytes)
    names = {name: "127.0.0.1" for name in plan.names if google}
    root.furnish(hostname=hostname, names={**names, **plan.peers}, bundle=plan.bundle)
    binds = [dict(bind) for bind in plan.replica.get("binds", ())]
    if plan.cwd == plan.replica["work_dir"]:
        binds.append({"source": plan.cwd, "target": plan.cwd, "writable": True})
    full = plan.replica.get("has_full_disk")
    for bind in sorted(binds, key=lambda bind: bind["target"].count("/")):
        if full and bind["source"] == plan.replica["work_dir"]:
            root.own(bind["target"])
        else:
            root.bind(bind["source"], bind["target"], writable=bind.get("writable", False))
    if full:
        root.leave(plan.replica["disk_bytes"])
    root.enter()


def listen(place: tuple) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(place)
    listener.listen(BACKLOG)
    return listener


def send(control: socket.socket, message: bytes, numbers: list) -> None:
    """What socket.send_fds does from Python 3.9 on."""
    rights = struct.pack(f"{len(numbers)}i", *numbers)
    control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _child(plan: Plan, control: socket.socket, become: Callable[[Plan], None]) -> int:
    """Fork the process itself; answer once its program runs."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _prepare(plan, control)
            become(plan)
        except Chosen:
            os.close(writing)
            raise
        except BaseException as error:
            os.write(writing, _words(error).encode()[:4000])
        os._exit(127)
    os.close(writing)
    for file in plan.files:
        os.close(file)
    problem = os.read(reading, 4096).decode(errors="replace")
    os.close(reading)
    if problem:
        os.waitpid(pid, 0)
        raise OSError(f"{plan.argv[0]} cannot be run: {problem}")
    tell(control, started=True)
    return pid


def _prepare(plan: Plan, control: socket.socket) -> None:
    """All that an exec keeps: descriptors, folder, limits, powers."""
    tell(control, child=True)
    os.setsid()
    os.umask(0o022)
    os.chdir(plan.cwd)
    null = os.open("/dev/null", os.O_RDWR)
    # Copies above 64 first, so that no descriptor is overwritten before its turn.
    copies = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 64) for file in (null, *plan.files)]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if plan.isolated:
        kernel.drop_privileges()
    else:
        kernel.die_with_parent(signal.SIGKILL)


def _execute(plan: Plan) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and an exec hands that on
    os.execvpe(plan.argv[0], plan.argv, plan.env)


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def probe() -> str:
    """Run one process in namespaces for real; answer why that is not possible, or nothing."""
    import tempfile  # here only: a supervisor starts for every job

    replica = {
        "name": "probe",
        "argv": ["/bin/sh", "-c", "exit 7"],
        "isolation": "namespaces",
        "network": {"scope": "google"},
    }
    with tempfile.TemporaryDirectory(prefix="cmle-probe-") as folder:
        os.mkdir(f"{folder}/root")
        os.mkdir(f"{folder}/work")
        replica["work_dir"] = f"{folder}/work"
        null = os.open("/dev/null", os.O_WRONLY)
        control, theirs = pair()
        plan = Plan(replica, env={}, files=[null, os.dup(null)], root=f"{folder}/root")
        pid = start(plan, theirs)
        theirs.close()
        control.setblocking(True)
        problem, ended = "", None
        for message in iter(lambda: control.recv(4096), b""):
            found = json.loads(message)
            problem = found.get("failed", problem)
            ended = found.get("ended", ended)
        control.close()
        os.waitpid(pid, 0)
        os.close(null)
    if problem or ended is None:
        return problem or "the process was killed"
    code = os.waitstatus_to_exitcode(ended)
    return "" if code == 7 else f"/bin/sh ended with status {code}"


if __name__ == "__main__":
    print(probe())
