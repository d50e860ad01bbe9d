"""Listening sockets in the gateway's hands, handed over again whenever it was restarted.

While no gateway runs, connections wait in the sockets' backlog: the copies here stay open.
"""

import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable

RETRY_S = 0.1
_REFUSED_RETRY_S = 2.0


def is_ours(connection: socket.socket) -> bool:
    """Whether the other end is the same user's (names of abstract sockets protect nothing)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid = struct.unpack("3i", credentials)[1]
    return uid in {os.geteuid(), 0}


class Handover:
    """Keeps ``listeners`` registered at the gateway; ``step`` when ``due`` has come."""

    def __init__(
        self,
        gateway: str,
        network: dict,
        listeners: list[socket.socket],
        selector: selectors.BaseSelector,
        say: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._request = json.dumps({"listen": network}).encode() + b"\n"
        self._listeners = listeners
        self._selector = selector
        self._say = say
        self._connection: socket.socket | None = None
        self._answer = b""
        self.due = 0.0
        self.registered = False

    def step(self) -> None:
        """Register if that is not done and its time has come."""
        if self._connection is not None or time.monotonic() < self.due:
            return
        self.due = time.monotonic() + RETRY_S
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self._gateway)
            if not is_ours(connection):
                raise PermissionError("the gateway's name is taken by another user")
            numbers = [listener.fileno() for listener in self._listeners]
            socket.send_fds(connection, [self._request], numbers)
        except OSError as error:
            connection.close()
            if not isinstance(error, ConnectionRefusedError | BlockingIOError):
                self._say(f"The gateway cannot be reached: {error}")
            return
        self._connection = connection
        self._answer = b""
        self._selector.register(connection, selectors.EVENT_READ, self._read)

    def close(self) -> None:
        self._disconnect()
        self.due = float("inf")
        for listener in self._listeners:
            listener.close()

    def _read(self) -> None:
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._answer += data
        if not data:
            self._disconnect()
        elif not self.registered and self._answer.endswith(b"\n"):
            answer = json.loads(self._answer)
            self.registered = "error" not in answer
            if not self.registered:
                self._say(f"The gateway refused a replica's listeners: {answer['error']}")
                self._disconnect()
                self.due = time.monotonic() + _REFUSED_RETRY_S

    def _disconnect(self) -> None:
        self.registered = False
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
