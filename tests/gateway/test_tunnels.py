import json
import socket
import threading
from collections.abc import Iterator

import pytest

from emulator.cluster import Network
from emulator.gateway import tunnels
from emulator.gateway.ways_out import Proxy, WaysOut
from emulator.identity import Identity, Kind
from tests.gateway.conftest import Start, read_all, read_answer, read_head

MIB = 1024 * 1024


class Outside:
    """A host outside: echoes what comes until its end, or answers as a proxy first."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.heads: list[bytes] = []
        self.as_proxy: bytes | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                if self.as_proxy is not None:
                    self.heads.append(read_head(sock))
                    sock.sendall(self.as_proxy)
                    if self.as_proxy and b" 200 " not in self.as_proxy:
                        continue
                while data := sock.recv(65536):
                    sock.sendall(data)


@pytest.fixture
def outside() -> Iterator[Outside]:
    outside = Outside()
    yield outside
    outside.close()


def network(*hosts: str) -> Network:
    return Network(Identity(Kind.INSTALL, "p", "x"), "hosts", hosts)


def test_bytes_go_through_both_ways_until_both_end(start: Start, outside: Outside) -> None:
    gateway = start(network(f"127.0.0.1:{outside.port}"))
    content = bytes(range(256)) * (16 * MIB // 256)
    with gateway.connect() as sock:
        request = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % outside.port
        sock.sendall(request + b"early ")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")

        def send() -> None:
            sock.sendall(content)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = read_all(sock)
        sender.join(20)

    assert received == b"early " + content


def test_a_proxy_that_is_spoken_to_in_tls(start: Start, outside: Outside) -> None:
    gateway = start(network("127.0.0.1"))
    with gateway.secure("localhost") as tls:
        tls.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % outside.port)
        assert read_head(tls).startswith(b"HTTP/1.1 200 ")
        tls.sendall(b"ping")

        assert tls.recv(100) == b"ping"


def test_plain_requests_are_passed_on(start: Start, outside: Outside) -> None:
    outside.as_proxy = b"HTTP/1.1 203 OK\r\nContent-Length: 2\r\n\r\nhi"
    gateway = start(network("127.0.0.1"))
    with gateway.connect() as sock:
        sock.sendall(b"GET http://127.0.0.1:%d/a?b HTTP/1.1\r\nX-Y: z\r\n\r\n" % outside.port)
        head, body = read_answer(sock)

    assert head.startswith(b"HTTP/1.1 203 ")
    assert body == b"hi"
    assert outside.heads[0].startswith(b"GET /a?b HTTP/1.1\r\n")
    assert b"host: 127.0.0.1:%d\r\n" % outside.port in outside.heads[0]
    assert b"x-y: z\r\n" in outside.heads[0]
    assert b"identity" not in outside.heads[0]


def test_the_users_own_proxy_is_used(start: Start, outside: Outside) -> None:
    outside.as_proxy = b"HTTP/1.1 200 Fine\r\n\r\n"
    proxy = Proxy("127.0.0.1", outside.port, "Basic x")
    gateway = start(network("index.example:443"), WaysOut({"https": proxy}))
    with gateway.connect() as sock:
        sock.sendall(b"CONNECT index.example:443 HTTP/1.1\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        sock.sendall(b"ping")

        assert sock.recv(100) == b"ping"
    assert outside.heads == [proxy.connect("index.example", 443)]


def test_what_comes_with_a_proxys_consent_is_the_hosts(start: Start, outside: Outside) -> None:
    outside.as_proxy = b"HTTP/1.1 200 Fine\r\n\r\ngreeting"
    ways = WaysOut({"https": Proxy("127.0.0.1", outside.port)})
    gateway = start(network("index.example"), ways)
    with gateway.connect() as sock:
        sock.sendall(b"CONNECT index.example:443 HTTP/1.1\r\n\r\n")

        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        assert sock.recv(100) == b"greeting"


def test_a_plain_request_through_the_users_own_proxy(start: Start, outside: Outside) -> None:
    outside.as_proxy = b"HTTP/1.1 203 OK\r\nContent-Length: 2\r\n\r\nhi"
    ways = WaysOut({"http": Proxy("127.0.0.1", outside.port)})
    gateway = start(network("index.example"), ways)
    with gateway.connect() as sock:
        sock.sendall(b"GET http://index.example/simple/ HTTP/1.1\r\n\r\n")
        assert read_answer(sock)[1] == b"hi"

    assert outside.heads[0].startswith(b"GET http://index.example/simple/ HTTP/1.1\r\n")


def test_a_proxy_that_refuses_is_named(start: Start, outside: Outside) -> None:
    outside.as_proxy = b"HTTP/1.1 407 Who?\r\n\r\n"
    ways = WaysOut({"https": Proxy("127.0.0.1", outside.port)})
    answer = start(network("index.example"), ways).ask(
        b"CONNECT index.example:443 HTTP/1.1\r\n\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 502 ")
    assert "407 Who?" in json.loads(body)["error"]["message"]


def test_a_host_that_is_not_there_is_said_so(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    gateway = start(network("127.0.0.1"))
    tunnel = gateway.ask(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port)
    request = b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nConnection: close\r\n\r\n" % port

    for answer in (tunnel, gateway.ask(request)):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502 ")
        assert "cannot be reached" in json.loads(body)["error"]["message"]


def test_a_silent_proxy_is_not_waited_for(
    start: Start, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "CONNECT_DEADLINE_S", 0.1)
    outside.as_proxy = b""
    ways = WaysOut({"https": Proxy("127.0.0.1", outside.port)})
    gateway = start(network("index.example"), ways)

    assert b"did not answer within" in gateway.ask(b"CONNECT index.example:443 HTTP/1.1\r\n\r\n")
