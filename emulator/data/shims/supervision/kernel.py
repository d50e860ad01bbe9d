"""The kernel's calls that Python lacks: namespaces, mounts, capabilities, the loopback."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import resource
import socket
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2

METADATA_ADDRESS = "169.254.169.254"

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_SUBREAPER = 1, 4, 24, 36
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_SYS_ADMIN = 21
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_IFF_UP_RUNNING = 0x41
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}
_FLAGS = {
    "ro": MS_RDONLY, "nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC,
    "noatime": 0x400, "nodiratime": 0x800, "relatime": 0x200000,
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "new namespaces")


def join(namespace: int, kind: int) -> None:
    """Enter the namespace of that descriptor."""
    _check(_libc.setns(namespace, kind), "enter a namespace")


def map_user(inside_uid: int, inside_gid: int, uid: int, gid: int) -> None:
    """Be ``inside_uid`` in the user namespace that this process has just made."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inside_uid} {uid} 1")
    _write("/proc/self/gid_map", f"{inside_gid} {gid} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def mount(
    source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str = ""
) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    result = _libc.mount(*arguments, flags, os.fsencode(data) or None)
    _check(result, f"mount {target}")


def bind(source: str, target: str) -> None:
    mount(source, target, flags=MS_BIND | MS_REC)


def make_private() -> None:
    """Keep mounts of this namespace out of all others."""
    mount(None, "/", flags=MS_REC | MS_PRIVATE)


def make_read_only(writable: dict[str, bool]) -> None:
    """Remount read-only every mount whose nearest folder in ``writable`` says False.

    The flags that a mount has are kept: a user namespace may not take them away.
    """
    with open("/proc/self/mountinfo", "rb") as file:
        rows = [line.split(b" ") for line in file]
    for row in rows:
        place = os.fsdecode(re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), row[4]))
        above = [path for path in writable if place == path or place.startswith(path + "/")]
        if above and not writable[max(above, key=len)]:
            flags = sum(_FLAGS.get(name, 0) for name in row[5].decode().split(",") if name != "ro")
            mount(None, place, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def change_root(new_root: str) -> None:
    """Make ``new_root``, a mount, the root; nothing of the old one stays reachable."""
    os.chdir(new_root)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root is not known for {os.uname().machine}")
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "unmount the old root")
    os.chdir("/")


def set_hostname(name: str) -> None:
    text = name.encode()[:64]
    _check(_libc.sethostname(text, len(text)), "set the host name")


def loopback_up(*, metadata: bool) -> None:
    """Bring lo up; with ``metadata``, the metadata server's address is on it too."""
    bring_up("lo")
    if metadata:
        set_address("lo:0", METADATA_ADDRESS, "255.255.255.255")


def bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.pack("16sH14x", name.encode(), _IFF_UP_RUNNING)
        fcntl.ioctl(control, _SIOCSIFFLAGS, flags)


def set_address(name: str, address: str, netmask: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for call, text in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, netmask)):
            place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
            fcntl.ioctl(control, call, struct.pack("16s16s", name.encode(), place))


def die_with_parent(number: int) -> None:
    """Get signal ``number`` when the parent process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "parent death signal")


def allow_inspection() -> None:
    """Own /proc/self again, as after an exec: changes of credentials take that away."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ended."""
    _check(_libc.prctl(_PR_SET_SUBREAPER, 1, 0, 0, 0), "subreaper")


def may_administer() -> bool:
    """Whether this process may make namespaces without a user namespace."""
    with open("/proc/self/status") as file:
        effective = next(line for line in file if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)


def drop_privileges() -> None:
    """No capability now or after any exec, no set-uid, no core files."""
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for number in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            break  # EINVAL: past the last capability
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "drop capabilities")
    no_new_privileges()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def no_new_privileges() -> None:
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
