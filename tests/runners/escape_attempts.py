"""A program that tries to get out of where it runs, and says what came of it.

Where an attempt succeeds it changes nothing: it sets what was set already, or undoes it at once.
``python escape_attempts.py CONFIG`` prints one JSON object a line, ``{"attempt", "escaped",
"detail"}``, and ends with 0 once all were made. It needs nothing but Python from 3.6 on.
CONFIG is a JSON object; each key may be missing:

``tcp``        ``[[name, host, port], …]``: places that must not be reached
``ports``      ports that are tried on every router and bridge address that can be guessed
``unix``       paths of sockets outside, ``abstract`` names of such sockets (without the NUL)
``read``       files outside, ``write`` files that must not be written, ``create`` nor made
``pids``       processes outside, ``commands`` words in their command lines
``variables``  names of the outside's environment variables
``metadata``   words of which the metadata server's answer must have one, if there is one
``fetch``      ``[[name, url, [status, …]], …]``: the statuses that are no way out
``powers``     false leaves out the attempts that need no word of the outside
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import time
import urllib.error
import urllib.request

TIMEOUT_S = 2.0
METADATA = "169.254.169.254"
_NEWNS, _NEWUSER, _NEWNET = 0x20000, 0x10000000, 0x40000000
_MS_REMOUNT, _MS_BIND = 32, 4096
_PTRACE_SEIZE = 0x4206
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCDARP = 0x8913, 0x8914, 0x8953
_EPERM = 1
_MACHINE = os.uname().machine
_SYSCALLS = {  # (open_by_handle_at, bpf, keyctl)
    "x86_64": (304, 321, 250),
    "aarch64": (265, 280, 219),
}

libc = ctypes.CDLL(None, use_errno=True)


def say(attempt, escaped, detail=""):
    print(json.dumps({"attempt": attempt, "escaped": bool(escaped), "detail": str(detail)}))
    sys.stdout.flush()


def attempt(name, work, *arguments):
    """``work`` answers what it got hold of, or fails."""
    try:
        got = work(*arguments)
    except (OSError, ValueError, KeyError) as error:
        say(name, False, error)
    else:
        say(name, got is not None and got is not False, got)


def call(function, *arguments):
    """A C function's answer; OSError where it refuses."""
    answer = function(*arguments)
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


# -- the network


def connect(host, port):
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(place)
        return "connected to %s:%s" % (host, port)


def connect_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        return "connected"


def neighbours():
    """Addresses where a host usually is: the default route's, the first of each subnet."""
    found = []
    with open("/proc/net/route") as table:
        for row in list(table)[1:]:
            name, net, router, _, _, _, _, mask = row.split()[:8]
            # the table shows an address as the number that its four bytes are in memory
            net, router, mask = (
                struct.unpack(">I", struct.pack("=I", int(text, 16)))[0]
                for text in (net, router, mask)
            )
            if router:
                found.append(router)
            elif name != "lo":
                found += [net + 1, (net | (~mask & 0xFFFFFFFF)) - 1]
    return sorted({socket.inet_ntoa(struct.pack(">I", number)) for number in found})


def ask_metadata(words):
    with socket.create_connection((METADATA, 80), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(
            b"GET /computeMetadata/v1/?recursive=true HTTP/1.0\r\nHost: metadata\r\n"
            b"Metadata-Flavor: Google\r\n\r\n"
        )
        answer = b""
        try:
            for piece in iter(lambda: connection.recv(65536), b""):
                answer += piece
        except OSError:
            pass  # what has come so far is judged
    text = answer.decode(errors="replace")
    return None if not text or any(word in text for word in words) else text[:300]


def fetch(url, statuses):
    try:
        with urllib.request.urlopen(url, timeout=10 * TIMEOUT_S) as answer:
            status, body = answer.status, answer.read(200)
    except urllib.error.HTTPError as error:
        status, body = error.code, b""
    return None if status in statuses else "%s %r" % (status, body)


def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close()
    return "every frame of the network can be read and forged"


def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return "a raw socket"


def interfaces():
    return [name for _, name in socket.if_nameindex() if name != "lo"] or ["lo"]


def set_interface():
    """Whoever may set its flags, here to what they are, may take the network down."""
    name = interfaces()[0].encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        row = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s16x", name))
        fcntl.ioctl(control, _SIOCSIFFLAGS, row)
        return "%s may be set" % name.decode()


def forge_neighbour():
    """Forget the hardware address of a host that is not there: ARP tables may be changed."""
    place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control, _SIOCDARP, struct.pack("16s16xi16s16s", place, 0, b"", b"lo"))
        except OSError as error:
            if error.errno == _EPERM:
                raise
        return "the ARP table may be changed"


# -- files and mounts


def read(path):
    with open(path, "rb") as file:
        return "read %r" % file.read(40)


def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return "opened for writing"


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return "created"


def mount(kind, target):
    call(libc.mount, b"none", target.encode(), kind.encode(), 0, None)
    libc.umount2(target.encode(), 2)
    return "mounted"


def remount(target):
    """Writable, and otherwise as it is."""
    with open("/proc/self/mountinfo") as table:
        rows = [row.split()[4:6] for row in table]
    options = [options.split(",") for place, options in rows if place == target]
    if not options:
        raise OSError("%s is no mount" % target)
    names = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048}
    flags = sum(names.get(name, 0) for name in options[-1])
    call(libc.mount, b"none", target.encode(), None, _MS_REMOUNT | _MS_BIND | flags, None)
    return "remounted"


def uncover(target):
    with open("/proc/self/mountinfo") as table:
        if all(row.split()[4] != target for row in table):
            raise OSError("%s is not covered" % target)
    call(libc.umount2, target.encode(), 2)
    return "uncovered"


def make_device():
    path = "/tmp/escape-device"
    os.mknod(path, 0o600 | 0o060000, os.makedev(8, 0))
    os.unlink(path)
    return "made a block device"


def change_root(path):
    os.chroot(path)
    return "changed the root"


def by_handle():
    """The root of the file system below, by its number: the way out of early containers."""
    root = os.open("/", os.O_RDONLY)
    handle = struct.pack("IiQ", 8, 1, 2)
    try:
        return "descriptor %d" % call(libc.syscall, _SYSCALLS[_MACHINE][0], root, handle, 0)
    finally:
        os.close(root)


# -- processes and powers


def signal_it(pid):
    os.kill(pid, 0)
    return "may be signalled"


def trace(pid):
    """Without stopping it; it is let go with this process, a child."""
    call(libc.ptrace, _PTRACE_SEIZE, pid, None, None)
    return "may be traced"


def trace_the_first():
    """Process 1 is no prize where it has no more powers than we have."""
    if os.getpid() == 1:
        return None
    with open("/proc/1/status") as file:
        row = next(line for line in file if line.startswith("CapEff:"))
    return trace(1) if int(row.split()[1], 16) else None


def commands(words):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    line = file.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found += [line for word in words if word in line and "escape_attempts" not in line]
    return found or None


def powers():
    with open("/proc/self/status") as file:
        rows = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    held = {name: rows[name] for name in rows if name.startswith("Cap") and int(rows[name], 16)}
    return held or None


def new_privileges():
    with open("/proc/self/status") as file:
        return "NoNewPrivs:\t1\n" not in list(file) or None


def join(kind):
    handle = os.open("/proc/1/ns/%s" % kind, os.O_RDONLY)
    try:
        call(libc.setns, handle, 0)
        return "joined"
    finally:
        os.close(handle)


def load_bpf():
    program = struct.pack("HBBi", 0x95, 0, 0, 0)
    text = ctypes.create_string_buffer(program)
    licence = ctypes.create_string_buffer(b"GPL")
    # type 8 (cgroup skb): whoever may load it may filter others' packets
    attributes = struct.pack("IIQQ", 8, 1, ctypes.addressof(text), ctypes.addressof(licence))
    return "descriptor %d" % call(libc.syscall, _SYSCALLS[_MACHINE][1], 5, attributes, len(attributes))


def set_clock():
    """To what it shows."""
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return "set"


def in_child(work, *arguments):
    """Where ``work`` may change the process; its answer, or its failure."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            got = work(*arguments)
            words = "+" + str(got) if got else "-"
        except (OSError, ValueError, KeyError) as error:
            words = "-" + str(error)
        except BaseException as error:
            words = "-%r" % error
        os.write(writing, words.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        words = file.read()
    os.waitpid(pid, 0)
    if words[:1] != "+":
        raise OSError(words[1:])
    return words[1:]


def in_own_user_namespace(work, *arguments):
    """All powers over a world of one's own: they must not reach what was there before."""
    uid, gid = os.getuid(), os.getgid()
    call(libc.unshare, _NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % uid), ("gid_map", "0 %d 1" % gid)):
        with open("/proc/self/" + name, "w") as file:
            file.write(text)
    return work(*arguments)


def in_own_mounts(work, *arguments):
    call(libc.unshare, _NEWNS)
    return work(*arguments)


def rename_machine():
    name = socket.gethostname().encode()
    call(libc.sethostname, name, len(name))
    return "the machine was renamed"


USER = "in a user namespace of its own: "
WITHOUT_CONFIG = (
    ("capabilities", powers),
    ("gain privileges by exec", new_privileges),
    ("packet socket (sniff, spoof ARP)", packet_socket),
    ("raw socket", raw_socket),
    ("take the network down", set_interface),
    ("forge a neighbour's address", forge_neighbour),
    ("mount", mount, "tmpfs", "/mnt"),
    ("mount proc", mount, "proc", "/mnt"),
    ("remount the root writable", remount, "/"),
    ("remount the system writable", remount, "/usr"),
    ("uncover /proc/sys", in_child, uncover, "/proc/sys"),
    ("make a device", make_device),
    ("open by handle", by_handle),
    ("chroot", in_child, change_root, "/tmp"),
    ("trace process 1", in_child, trace_the_first),
    ("load a BPF program", load_bpf),
    ("set the clock", set_clock),
    ("rename the machine", rename_machine),
    ("join the network of process 1", in_child, join, "net"),
    ("join the mounts of process 1", in_child, join, "mnt"),
    ("join the user namespace of process 1", in_child, join, "user"),
    (USER + "packet socket", in_child, in_own_user_namespace, packet_socket),
    (USER + "raw socket", in_child, in_own_user_namespace, raw_socket),
    (USER + "take the network down", in_child, in_own_user_namespace, set_interface),
    (USER + "forge a neighbour's address", in_child, in_own_user_namespace, forge_neighbour),
    (USER + "join the network of process 1", in_child, in_own_user_namespace, join, "net"),
    (USER + "remount", in_child, in_own_user_namespace, in_own_mounts, remount, "/usr"),
    (USER + "uncover", in_child, in_own_user_namespace, in_own_mounts, uncover, "/proc/sys"),
    (USER + "open by handle", in_child, in_own_user_namespace, by_handle),
    (USER + "rename the machine", in_child, in_own_user_namespace, rename_machine),
)
ALWAYS_WRITE = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/fs/cgroup/release_agent",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/cgroup.procs",
)
ALWAYS_READ = ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/nvme0n1")
ALWAYS_TCP = (
    ("outside by address", "8.8.8.8", 53),
    ("outside by address", "1.1.1.1", 443),
    ("outside by IPv6", "2001:4860:4860::8888", 53),
    ("outside by name", "example.com", 80),
)
ALWAYS_UNIX = (
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
    "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
)


def main():
    config = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    for name, host, port in (*ALWAYS_TCP, *config.get("tcp", ())):
        attempt("connect: %s %s:%s" % (name, host, port), connect, host, port)
    for host in neighbours():
        for port in config.get("ports", ()):
            attempt("connect: neighbour %s:%s" % (host, port), connect, host, port)
    for path in (*ALWAYS_UNIX, *config.get("unix", ())):
        attempt("unix socket " + path, connect_unix, path)
    for name in config.get("abstract", ()):
        attempt("abstract socket " + name, connect_unix, "\0" + name)
    for path in (*ALWAYS_READ, *config.get("read", ())):
        attempt("read " + path, read, path)
    for path in (*ALWAYS_WRITE, *config.get("write", ())):
        attempt("write " + path, write, path)
    for path in config.get("create", ()):
        attempt("create " + path, create, path)
    for pid in config.get("pids", ()):
        attempt("signal process %d" % pid, signal_it, pid)
        attempt("trace process %d" % pid, in_child, trace, pid)
    attempt("see other processes", commands, config.get("commands", ()))
    for name in config.get("variables", ()):
        attempt("variable " + name, os.environ.get, name)
    attempt("metadata of the host", ask_metadata, config.get("metadata", ()))
    for name, url, statuses in config.get("fetch", ()):
        attempt("fetch: " + name, fetch, url, statuses)
    for name, work, *arguments in WITHOUT_CONFIG if config.get("powers", True) else ():
        attempt(name, work, *arguments)


if __name__ == "__main__":
    main()
