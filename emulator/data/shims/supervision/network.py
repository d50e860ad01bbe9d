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
    """``user`` and ``hosts`` are descriptors of namespaces; ``addresses`` holds each host's."""

    def __init__(self, hosts: list) -> None:
        """OSError where the kernel refuses a part of it."""
        if len(hosts) > _MOST:
            raise OSError(f"a site has at most {_MOST} hosts, not {len(hosts)}")
        self.addresses = {host: address(number) for number, host in enumerate(hosts)}
        self.user, self._hub, *namespaces = _fetch(len(hosts))
        self.hosts = dict(zip(hosts, namespaces))

    def close(self) -> None:
        for number in (self.user, self._hub, *self.hosts.values()):
            os.close(number)


def address(number: int) -> str:
    """The address of the site's host number 0, 1, …"""
    at = _FIRST + 1 + number
    return socket.inet_ntoa(struct.pack(">I", at))


def _fetch(count: int) -> list:
    """Have a child make the namespaces; answer the hub's two descriptors and the hosts'."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            kernel.die_with_parent(signal.SIGKILL)
            namespaces = _make(count)
            for at in range(0, len(namespaces), _AT_ONCE):
                socket.send_fds(theirs, [b"{}"], namespaces[at : at + _AT_ONCE])
        except BaseException as error:
            theirs.send(json.dumps({"failed": str(error)}).encode()[:4000])
        finally:
            os._exit(0)
    theirs.close()
    found: list = []
    problem = "its maker was killed"
    with ours:
        while len(found) < 2 + count:
            message, numbers, _, _ = socket.recv_fds(ours, 4096, _AT_ONCE)
            found += numbers
            if not numbers:
                problem = json.loads(message)["failed"] if message else problem
                break
    os.waitpid(pid, 0)
    if len(found) < 2 + count:
        for number in found:
            os.close(number)
        raise OSError(f"a network for {count} hosts cannot be made: {problem}")
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
    for number in range(count):
        kernel.unshare(kernel.CLONE_NEWNET)
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        mac = _MAC[:4] + struct.pack(">H", number)
        links.add_cable(f"host{number}", bridge, namespace=own, mac=mac)
        kernel.set_address("eth0", address(number), NETMASK)
        kernel.bring_up("eth0")
        found.append(own)
    return found


def probe() -> str:
    """Make a network of two hosts for real; answer why that is not possible, or nothing."""
    try:
        Network(["a", "b"]).close()
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(probe())
