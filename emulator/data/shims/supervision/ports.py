"""Ports of this machine for the replicas of a site that share its network.

They lie below those that the kernel gives to connections, so that none of these takes one
while its program is still starting, and are held until then: bound, not listening. The
holding socket gives way to programs that set SO_REUSEADDR or SO_REUSEPORT, as servers do.
"""

import socket

_LOWEST = 15000
_DEFAULT_RANGE = 32768
_TRIES = 2000


class Ports:
    """``numbers`` holds each host's port; those of ``wanted`` again where they are free."""

    def __init__(self, hosts: list, wanted: dict) -> None:
        """OSError where there is none to be had."""
        self._held: dict = {}
        self.numbers: dict = {}
        import random  # by those that need it: a supervisor starts for every job

        below = _first_given()
        for host in hosts:
            candidates = (random.randrange(_LOWEST, below) for _ in range(_TRIES))
            held = (_hold(wanted[host]) if host in wanted else None) or next(
                filter(None, map(_hold, candidates)), None
            )
            if held is None:
                self.close()
                raise OSError(f"no port from {_LOWEST} to {below} is free for {host}")
            self._held[host] = held
            self.numbers[host] = held.getsockname()[1]

    def let_go(self, host: str) -> None:
        """The host's program starts: the port is its own."""
        if host in self._held:
            self._held.pop(host).close()

    def close(self) -> None:
        for host in list(self._held):
            self.let_go(host)


def _hold(port: int) -> socket.socket | None:
    """None where anyone else has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as alone:
        try:
            alone.bind(("", port))  # without SO_REUSEADDR: refused beside any other
        except OSError:
            return None
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            held.setsockopt(socket.SOL_SOCKET, option, 1)
        held.bind(("", port))
    except OSError:
        held.close()
        return None
    return held


def _first_given() -> int:
    """The first port that the kernel gives to a connection by itself."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
            first = int(file.read().split()[0])
    except (OSError, ValueError):
        first = _DEFAULT_RANGE
    return first if first > _LOWEST + 1000 else 65536
