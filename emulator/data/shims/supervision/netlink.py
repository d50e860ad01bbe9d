"""The few messages of rtnetlink that a bridge and its cables need."""

import errno
import os
import socket
import struct

_NEW_LINK, _DELETE_LINK, _ERROR = 16, 17, 2
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_UP = 1
_ADDRESS, _NAME, _MASTER, _INFO, _NAMESPACE = 1, 3, 10, 18, 28  # IFLA_…
_KIND, _DATA, _PEER = 1, 2, 1  # IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER
_DEADLINE_S = 10.0


class Links:
    """Makes links in the network namespace that the process is in now, wherever it goes later."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.settimeout(_DEADLINE_S)
        self._socket.bind((0, 0))
        self._count = 0

    def close(self) -> None:
        self._socket.close()

    def add_bridge(self, name: str) -> None:
        self._add(f"bridge {name}", _text(_NAME, name) + _kind("bridge"))

    def add_cable(self, name: str, bridge: int, *, namespace: int, mac: bytes) -> None:
        """A pair: ``name`` on the bridge of that index, and ``eth0``, still down, in ``namespace``."""
        peer = (
            _head(0)
            + _text(_NAME, "eth0")
            + _attribute(_ADDRESS, mac)
            + _attribute(_NAMESPACE, struct.pack("I", namespace))
        )
        master = _attribute(_MASTER, struct.pack("I", bridge))
        kind = _kind("veth", _attribute(_DATA, _attribute(_PEER, peer)))
        self._add(f"veth {name}", _text(_NAME, name) + master + kind)

    def remove(self, name: str) -> None:
        """With its other end; one that is gone already is no error."""
        try:
            self._ask(f"remove {name}", _DELETE_LINK, _text(_NAME, name))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def _add(self, what: str, attributes: bytes) -> None:
        self._ask(what, _NEW_LINK, attributes, _EXCL | _CREATE)

    def _ask(self, what: str, kind: int, attributes: bytes, flags: int = 0) -> None:
        self._count += 1
        body = _head() + attributes
        header = (16 + len(body), kind, _REQUEST | _ACK | flags, self._count, 0)
        self._socket.send(struct.pack("IHHII", *header) + body)
        answer = self._socket.recv(65536)
        kind, number = struct.unpack_from("H", answer, 4)[0], struct.unpack_from("i", answer, 16)[0]
        if kind != _ERROR or number:
            raise OSError(-number, f"{what}: {os.strerror(-number)}")


def _head(flags: int = _UP) -> bytes:
    """A struct ifinfomsg: any family, no index yet."""
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)


def _kind(name: str, data: bytes = b"") -> bytes:
    return _attribute(_INFO, _text(_KIND, name) + data)


def _text(number: int, text: str) -> bytes:
    return _attribute(number, text.encode() + b"\0")


def _attribute(number: int, data: bytes) -> bytes:
    length = 4 + len(data)
    return struct.pack("HH", length, number) + data + bytes(-length % 4)
