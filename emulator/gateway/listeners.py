"""The sockets that the gateway listens on, each with the identity of whoever comes through it."""

import asyncio
import contextlib
import errno
import socket
import stat
from pathlib import Path
from typing import Final

from emulator.cluster import Network
from emulator.errors import OperatorError
from emulator.gateway.connections import Connection
from emulator.gateway.switchboard import Switchboard

_BACKLOG: Final = 512


class Listener:
    """A listening socket at work. Closing it ends the connections that came through it."""

    def __init__(self, server: asyncio.Server, connections: set[Connection]) -> None:
        self._server = server
        self._connections = connections

    @classmethod
    async def open(cls, sock: socket.socket, network: Network, board: Switchboard) -> "Listener":
        """Serve a bound stream socket, TCP or unix; it belongs to the listener from here on."""
        loop = asyncio.get_running_loop()
        connections: set[Connection] = set()

        def accept() -> Connection:
            connection = Connection(board, network, connections)
            connections.add(connection)
            return connection

        sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
        if sock.family == socket.AF_UNIX:
            server = await loop.create_unix_server(accept, sock=sock, backlog=_BACKLOG)
        else:
            # asyncio sets it only on sockets that say which protocol they speak
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = await loop.create_server(accept, sock=sock, backlog=_BACKLOG)
        return cls(server, connections)

    def stop(self) -> None:
        """Take no more connections."""
        self._server.close()

    def close(self) -> None:
        self.stop()
        for connection in list(self._connections):
            connection.abort()


def bind(port: int) -> socket.socket:
    """The user's address: 127.0.0.1 and this port, or a free one for 0.

    Raises OperatorError when the port is taken.
    """
    with contextlib.ExitStack() as on_error:
        sock = on_error.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen(_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise OperatorError(
                    f"Port {port} of 127.0.0.1 is in use by another program. Stop that program, "
                    "or choose another port with --port (0 takes any free one)."
                ) from None
            raise OperatorError(
                f"The gateway cannot listen on port {port} of 127.0.0.1: {error.strerror}. "
                "Choose another one with --port (0 takes any free one)."
            ) from None
        on_error.pop_all()
        return sock


def bind_path(path: Path) -> socket.socket:
    """A Unix socket for users beside the port; its folder decides who may come.

    What an earlier gateway left at the path is replaced; OperatorError for anything else there.
    """
    with contextlib.ExitStack() as on_error:
        sock = on_error.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        try:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(path.lstat().st_mode):
                    path.unlink()
            sock.bind(str(path))
            path.chmod(0o666)
            sock.listen(_BACKLOG)
        except OSError as error:
            raise OperatorError(
                f"The gateway cannot listen on {path}: {error.strerror or error}. Name a path in a "
                "folder that exists with --socket."
            ) from None
        on_error.pop_all()
        return sock
