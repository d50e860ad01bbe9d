"""The network of a site: a bridge, and for each host a namespace with an address on it.

All of it belongs to a user namespace of its own, the *hub*, in which no process stays: the
descriptors here keep it, so it goes with the supervisor. A minder joins the hub for long
enough to enter its host's namespace, and makes a user namespace below it for the replica,
which has no power over the hub's networks whatever it becomes there.
"""

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel
import netlink

NETMASK = "255.255.0.0"
_FIRST = 0x0A630001  # 10.99.0.1, the host before the first
_MOST = 1000  # a bridge of the kernel has 1024 ports
_BRIDGE = "site"
_AT_ONCE = 200  # descriptors of a message: the kernel takes 253
_MAC = b"\x02cmle"  # locally administered


class Network:
    """``user`` is the hub's user namespace (a descriptor); ``addresses`` holds each host's."""

    def __init__(self, hosts: list) -> None:
        """OSError where the kernel refuses a part of it."""
        if len(hosts) > _MOST:
            raise OSError(f"a site has at most {_MOST} hosts, not {len(hosts)}")
        self.addresses = {host: address(number) for number, host in enumerate(hosts)}
        try:
            found = _from_child(2 + len(hosts), _make, len(hosts))
        except OSError as error:
            raise OSError(f"a network for {len(hosts)} hosts cannot be made: {error}") from error
        self.user, self._hub, *namespaces = found
        self._hosts = dict(zip(hosts, namespaces))
        self._used: set = set()

    def enter(self, host: str) -> int:
        """The host's namespace, as new: nothing in it is left of a replica that it had before."""
        if host in self._used:
            number = list(self._hosts).index(host)
            os.close(self._hosts[host])
            (self._hosts[host],) = _from_child(1, _renew, self.user, self._hub, number)
        self._used.add(host)
        return self._hosts[host]

    def close(self) -> None:
        for number in (self.user, self._hub, *self._hosts.values()):
            os.close(number)


def address(number: int) -> str:
    """The address of the site's host number 0, 1, …"""
    at = _FIRST + 1 + number
    return socket.inet_ntoa(struct.pack(">I", at))


def _from_child(count: int, work: Callable[..., list], *arguments: object) -> list:
    """The descriptors that ``work`` answers in a child, which may change its namespaces."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            kernel.die_with_parent(signal.SIGKILL)
            made = work(*arguments)
            for at in range(0, len(made), _AT_ONCE):
                socket.send_fds(theirs, [b"{}"], made[at : at + _AT_ONCE])
        except BaseException as error:
            theirs.send(json.dumps({"failed": str(error)}).encode()[:4000])
        finally:
            os._exit(0)
    theirs.close()
    found: list = []
    problem = "its maker was killed"
    with ours:
        while len(found) < count:
            message, numbers, _, _ = socket.recv_fds(ours, 4096, _AT_ONCE)
            found += numbers
            if not numbers:
                problem = json.loads(message)["failed"] if message else problem
                break
    os.waitpid(pid, 0)
    if len(found) < count:
        for number in found:
            os.close(number)
        raise OSError(problem)
    for number in found:
        os.set_inheritable(number, False)
    return found


def _make(count: int) -> list:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        os.setgroups([])
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET)
    kernel.map_user(0, 0, uid, gid)
    found = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")]
    links = netlink.Links()
    links.add_bridge(_BRIDGE)
    bridge = socket.if_nametoindex(_BRIDGE)
    return found + [_connect(links, bridge, number) for number in range(count)]


def _renew(user: int, hub: int, number: int) -> list:
    kernel.join(user, kernel.CLONE_NEWUSER)
    kernel.join(hub, kernel.CLONE_NEWNET)
    links = netlink.Links()
    links.remove(f"host{number}")
    return [_connect(links, socket.if_nametoindex(_BRIDGE), number)]


def _connect(links: netlink.Links, bridge: int, number: int) -> int:
    """A new namespace, in which the process is then, with a cable to the bridge."""
    kernel.unshare(kernel.CLONE_NEWNET)
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    mac = _MAC[:4] + struct.pack(">H", number)
    links.add_cable(f"host{number}", bridge, namespace=namespace, mac=mac)
    kernel.set_address("eth0", address(number), NETMASK)
    kernel.bring_up("eth0")
    return namespace


def probe() -> str:
    """Make a network of two hosts for real; answer why that is not possible, or nothing."""
    try:
        Network(["a", "b"]).close()
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(probe())
