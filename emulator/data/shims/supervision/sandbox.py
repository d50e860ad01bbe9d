"""One process of its own world: in namespaces, or as a plain process group with a minder.

``start`` forks the *minder*: init of the pid namespace, or the reaper of a plain process's
orphans. It tells the supervisor through a SOCK_SEQPACKET pair, one JSON object a message:
``{"child": true}`` (sent by the process itself: its pid comes with the credentials),
``{"listeners": true}`` with descriptors, ``{"started": true}``, ``{"failed": text}``,
``{"ended": wait status}``. It obeys ``T`` (SIGTERM to the process) and ``K`` (SIGKILL to
all), and the end of the pair means K: nothing outlives the supervisor.
"""

import errno
import fcntl
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel
from root import Root

PORTS = ("127.0.0.1", 443), ("127.0.0.1", 80)
METADATA = (kernel.METADATA_ADDRESS, 80)
BACKLOG = 512
_MAX_FILES = 65536
_BIND_DEADLINE_S = 5.0
_BIND_RETRY_S = 0.01
_NAMESPACES = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)  # fmt: skip


class Plan:
    """What is to be started: the replica's description, and what the supervisor adds.

    ``files`` become the descriptors 1, 2, 3 …; ``root`` is an empty folder. The folder
    ``temporary`` goes with the process, even if its supervisor is gone by then. ``joins`` are
    the hub and the host's namespace of a site's network (descriptors), ``peers`` its addresses.
    """

    def __init__(self, replica: dict, *, env: dict, files: list, root: str, **extra) -> None:
        self.replica = replica
        self.argv = replica["argv"]
        self.env = env
        self.files = files
        self.root = root
        self.isolated = replica["isolation"] == "namespaces"
        self.names: list = extra.get("names", [])
        self.bundle: str | None = extra.get("bundle")
        self.cgroup: str | None = extra.get("cgroup")
        self.joins: tuple | None = extra.get("joins")
        self.peers: dict = extra.get("peers", {})
        self.temporary: str | None = extra.get("temporary")

    @property
    def cwd(self) -> str:
        work_dir = self.replica["work_dir"]
        if self.isolated:
            for bind in self.replica.get("binds", ()):
                if bind["source"] == work_dir:
                    return bind["target"]
        return work_dir


def start(plan: Plan) -> tuple[int, socket.socket]:
    """Start the plan's process; answer the minder's pid and this end of the pair."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    pid = os.fork()
    if pid:
        theirs.close()
        ours.setblocking(False)
        return pid, ours
    try:
        _minder(plan, theirs)
    except BaseException as error:
        _tell(theirs, failed=_words(error))
    finally:
        if plan.temporary:
            shutil.rmtree(plan.temporary, ignore_errors=True)
        os._exit(0)


def _minder(plan: Plan, control: socket.socket) -> None:
    _forget_supervisor({control.fileno(), *plan.files, *(plan.joins or ())})
    if plan.cgroup:
        with open(f"{plan.cgroup}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    if not plan.isolated:
        kernel.adopt_orphans()
        _attend(_child(plan, control), control, plan)
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
    _attend(_child(plan, control), control, plan)


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
        socket.send_fds(control, [message], [listener.fileno() for listener in listeners])
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
    root = Root(plan.root)
    names = {name: "127.0.0.1" for name in plan.names if google}
    root.furnish(hostname=hostname, names={**names, **plan.peers}, bundle=plan.bundle)
    binds = [dict(bind) for bind in plan.replica.get("binds", ())]
    if plan.cwd == plan.replica["work_dir"]:
        binds.append({"source": plan.cwd, "target": plan.cwd, "writable": True})
    for bind in sorted(binds, key=lambda bind: bind["target"].count("/")):
        root.bind(bind["source"], bind["target"], writable=bind.get("writable", False))
    root.enter()


def listen(place: tuple) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    give_up_at = time.monotonic() + _BIND_DEADLINE_S
    while True:
        try:
            listener.bind(place)
            break
        except OSError as error:
            # The gateway may still hold those of the replica that ran on this host before.
            if error.errno != errno.EADDRINUSE or time.monotonic() >= give_up_at:
                raise
            time.sleep(_BIND_RETRY_S)
    listener.listen(BACKLOG)
    return listener


def _child(plan: Plan, control: socket.socket) -> int:
    """Fork and run the process itself; answer once its program runs."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _become(plan, control)
        except BaseException as error:
            os.write(writing, _words(error).encode()[:4000])
        finally:
            os._exit(127)
    os.close(writing)
    for file in plan.files:
        os.close(file)
    problem = os.read(reading, 4096).decode(errors="replace")
    os.close(reading)
    if problem:
        os.waitpid(pid, 0)
        raise OSError(f"{plan.argv[0]} cannot be run: {problem}")
    _tell(control, started=True)
    return pid


def _become(plan: Plan, control: socket.socket) -> None:
    _tell(control, child=True)
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
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and an exec hands that on
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if plan.isolated:
        kernel.drop_privileges()
    else:
        kernel.die_with_parent(signal.SIGKILL)
    os.execvpe(plan.argv[0], plan.argv, plan.env)


def _attend(child: int, control: socket.socket, plan: Plan) -> None:
    """Reap, obey, and report the child's end."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched = [control.fileno(), reading]
    status = _reap(child)
    while status is None:
        ready, _, _ = select.select(watched, [], [])
        if reading in ready:
            os.read(reading, 4096)
        if control.fileno() in ready:
            order = control.recv(16)
            os.kill(child, signal.SIGTERM if order == b"T" else signal.SIGKILL)
            if not order:
                watched.remove(control.fileno())
        status = _reap(child)
    if not plan.isolated:
        _end_descendants()
    _tell(control, ended=status)


def _reap(child: int) -> int | None:
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _end_descendants() -> None:
    """Kill what the process left running, daemons included: they are our children now."""
    while pids := descendants(os.getpid()):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended meanwhile
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def descendants(of: int) -> list[int]:
    """All processes below ``of``, from what /proc says of parents."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    waiting = [of]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _tell(control: socket.socket, **message: object) -> None:
    try:
        control.send(json.dumps(message).encode())
    except OSError:
        pass  # the supervisor is gone, and so shall we be


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def probe() -> str:
    """Run one process in namespaces for real; answer why that is not possible, or nothing."""
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
        pid, control = start(
            Plan(replica, env={}, files=[null, os.dup(null)], root=f"{folder}/root")
        )
        control.setblocking(True)
        problem, ended = "", None
        while message := control.recv(4096):
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
