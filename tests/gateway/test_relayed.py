"""Connections of a relay: whose they are is the secret's word, and nobody else comes in."""

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cluster import Network
from emulator.gateway.relayed import LONGEST, Entrance, Passes
from emulator.identity import Identity, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Gateway

SECRET = "s" * 48
ADDRESS = "10.213.1.2"
JOB = Network(Identity(Kind.JOB, "p", "job1"))
REQUEST = b"GET /v1/projects HTTP/1.1\r\nHost: ml.googleapis.com\r\nConnection: close\r\n\r\n"


class Door:
    """An entrance of the gateway of a test."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.passes = Passes()
        self.passes.put(SECRET, ADDRESS, JOB)
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        self.entrance = gateway.call(Entrance.open(sock, self.passes, gateway.board))

    def connect(self, greeting: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        connection.sendall(greeting)
        return connection

    def put(self, network: Network | None) -> None:
        async def work() -> None:
            self.passes.put(SECRET, ADDRESS, network)

        self.gateway.call(work())

    def close(self) -> None:
        async def work() -> None:
            self.entrance.close()
            self.passes.close()

        self.gateway.call(work())


@pytest.fixture
def door(gateway: "Gateway") -> "Iterator[Door]":
    opened = Door(gateway)
    yield opened
    opened.close()


def greeting(secret: str = SECRET, address: str = ADDRESS, port: int = 443) -> bytes:
    return f"cmle-relay {secret} {address} {port}\n".encode()


def everything(connection: socket.socket) -> bytes:
    with connection:
        try:
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return b""


def test_the_identity_is_the_passes(door: Door) -> None:
    answer = everything(door.connect(greeting() + REQUEST))
    assert answer.endswith(b"application GET /v1/projects 0")
    application: Any = door.gateway.application
    assert application.scopes[0]["identity"] == JOB.identity


def test_the_greeting_may_come_in_pieces(door: Door) -> None:
    with door.connect(greeting()[:20]) as connection:
        connection.sendall(greeting()[20:])
        connection.sendall(REQUEST)
        assert everything(connection).startswith(b"HTTP/1.1 200")


def test_tls_follows_the_greeting(door: Door) -> None:
    trusting = door.gateway.trusting()
    with (
        door.connect(greeting()) as plain,
        trusting.wrap_socket(plain, server_hostname="storage.googleapis.com") as secure,
    ):
        assert isinstance(secure, ssl.SSLSocket)
        secure.sendall(REQUEST.replace(b"ml.", b"storage."))
        assert secure.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "line",
    [
        greeting(secret="t" * 48),
        greeting(secret=SECRET[:-1]),
        greeting(address="10.213.1.3"),
        greeting(address="x"),
        REQUEST,
        b"\n",
        b"\x16\x03\x01" * 200,
        b"x" * LONGEST,
    ],
)
def test_nobody_else_comes_in(door: Door, line: bytes) -> None:
    assert everything(door.connect(line + REQUEST)) == b""
    application: Any = door.gateway.application
    assert application.scopes == []


def test_a_silent_one_is_sent_away(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.gateway.relayed.GREETING_S", 0.1)
    assert everything(door.connect(b"cmle-relay ")) == b""


def test_a_pass_that_is_taken_back_ends_what_came_by_it(door: Door) -> None:
    with door.connect(greeting() + REQUEST.replace(b"close", b"keep-alive")) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        door.put(None)
        assert everything(connection) == b""
    assert everything(door.connect(greeting() + REQUEST)) == b""


def test_the_same_pass_again_ends_nothing(door: Door) -> None:
    with door.connect(greeting() + REQUEST.replace(b"close", b"keep-alive")) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        door.put(JOB)
        connection.sendall(REQUEST)
        assert everything(connection).startswith(b"HTTP/1.1 200")


def test_entrances_are_listeners_of_the_loop(gateway: "Gateway") -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    entrance = gateway.call(Entrance.open(sock, Passes(), gateway.board))

    async def close() -> None:
        entrance.close()
        await asyncio.sleep(0)

    gateway.call(close())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10).close()
