"""A gateway in a thread of this process, with real sockets and real certificates."""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.cluster import Network
from emulator.gateway.authority import Authority
from emulator.gateway.listeners import Listener, bind
from emulator.gateway.switchboard import Switchboard
from emulator.gateway.tls import Contexts
from emulator.gateway.ways_out import WaysOut
from emulator.identity import Identity

DEADLINE_S = 20.0
USER = Network(Identity(), "google", ())
DIRECT = WaysOut()
T = TypeVar("T")


class Recorder:
    """An application that answers with what it got: method, path, body length and more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []
        self.messages: list[Message] = []
        self.ended = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        pieces = []
        while True:
            message = await receive()
            self.messages.append(message)
            if message["type"] == "http.disconnect":
                self.ended.set()
                return
            pieces.append(message["body"])
            if not message["more_body"]:
                break
        body = b"".join(pieces)
        self.bodies.append(body)
        text = f"{self.name} {scope['method']} {scope['path']} {len(body)}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text})
        self.ended.set()


class Gateway:
    """The gateway's inside, in a loop of its own thread; ``call`` runs coroutines there."""

    def __init__(self, authority: Authority, network: Network, ways_out: WaysOut) -> None:
        self.authority = authority
        self.storage: ASGIApp = Recorder("storage")
        self.application: ASGIApp = Recorder("application")
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._listeners: list[Listener] = []
        sock = bind(0)
        self.port: int = sock.getsockname()[1]
        self.board = Switchboard(
            storage=self._app("storage"),
            application=self._app("application"),
            contexts=Contexts(authority, datetime.now(UTC)),
            ca_path=str(authority.folder / "ca.pem"),
            ways_out=ways_out,
            port=self.port,
        )
        self._sweep = asyncio.run_coroutine_threadsafe(self.board.sweep(), self.loop)
        self.listen(sock, network)

    def listen(self, sock: socket.socket, network: Network) -> None:
        self._listeners.append(self.call(Listener.open(sock, network, self.board)))

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    def close(self) -> None:
        self._sweep.cancel()
        self.call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()

    async def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        await self.board.close()
        await asyncio.sleep(0)  # transports end in the loop's next turn
        await asyncio.sleep(0)

    def _app(self, name: str) -> ASGIApp:
        """The application that the test has put in place by then."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await getattr(self, name)(scope, receive, send)

        return app

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.folder / "ca.pem"))

    def secure(self, host: str) -> ssl.SSLSocket:
        """TLS at once, as where the host's name leads to the gateway."""
        return self.trusting().wrap_socket(self.connect(), server_hostname=host)

    def tunnel(self, host: str) -> ssl.SSLSocket:
        """CONNECT, then TLS."""
        sock = self.connect()
        sock.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        return self.trusting().wrap_socket(sock, server_hostname=host)

    def ask(self, request: bytes) -> bytes:
        """Send bytes, and read until the gateway ends the connection."""
        with self.connect() as sock:
            sock.sendall(request)
            return read_all(sock)


def read_head(sock: socket.socket) -> bytes:
    """Read to the end of a head, byte by byte: nothing behind it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            break
        head += byte
    return head


def read_answer(sock: socket.socket) -> tuple[bytes, bytes]:
    """Read one answer that says how long it is: its head and its body."""
    head = read_head(sock)
    found = re.search(rb"Content-Length: (\d+)", head)
    assert found is not None, head
    length, body = int(found[1]), b""
    while len(body) < length:
        body += sock.recv(length - len(body))
    return head, body


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("data") / "authority", datetime.now(UTC))


Start = Callable[..., Gateway]


@pytest.fixture
def start(authority: Authority) -> Iterator[Start]:
    """Start gateways with a network of choice."""
    with contextlib.ExitStack() as stack:

        def start(network: Network = USER, ways_out: WaysOut = DIRECT) -> Gateway:
            gateway = Gateway(authority, network, ways_out)
            stack.callback(gateway.close)
            return gateway

        yield start


@pytest.fixture
def gateway(start: Start) -> Gateway:
    return start()
