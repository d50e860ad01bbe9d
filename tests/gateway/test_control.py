import asyncio
import json
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from emulator.errors import OperatorError
from emulator.gateway.control import LINE_LIMIT, Control, Governor
from emulator.identity import Identity, Kind
from tests.gateway.conftest import DEADLINE_S, Gateway, Recorder, read_answer, until

GET = b"GET /storage/v1/b HTTP/1.1\r\nHost: localhost\r\n\r\n"
JOB = {"kind": "job", "project": "p", "name": "job1", "email": "sa@p.example"}


class Controlled:
    """A gateway's control socket, and what came of it."""

    def __init__(self, gateway: Gateway) -> None:
        self.instance = secrets.token_hex(6)
        self.ended = False
        self._gateway = gateway
        gateway.call(self._open())

    async def _open(self) -> None:
        self.control = Control(self.instance)
        governor = Governor(lambda: {"pid": 7}, self.end, ("extra.example",))
        self._serving = asyncio.create_task(self.control.serve(self._gateway.board, governor))

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        self._gateway.call(self._close())

    async def _close(self) -> None:
        self._serving.cancel()
        await self.control.close()

    def visit(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(DEADLINE_S)
        sock.connect(f"\0cmle-gateway-{self.instance}")
        return sock


@pytest.fixture
def controlled(gateway: Gateway) -> Iterator[Controlled]:
    controlled = Controlled(gateway)
    yield controlled
    controlled.close()


def ask(visitor: socket.socket, request: Any, *sockets: socket.socket) -> Any:
    line = json.dumps(request).encode() + b"\n"
    if sockets:
        socket.send_fds(visitor, [line], [sock.fileno() for sock in sockets])
    else:
        visitor.sendall(line)
    answer = b""
    while not answer.endswith(b"\n"):
        answer += visitor.recv(65536)
    return json.loads(answer)


def test_listeners_are_served_under_their_identity(
    gateway: Gateway, controlled: Controlled
) -> None:
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unix.bind(name := f"\0cmle-test-{secrets.token_hex(4)}")
    request = {"listen": {"identity": JOB, "allow_hosts": ["a.example:443"], "scope": "google"}}
    with tcp, unix, controlled.visit() as visitor:
        assert ask(visitor, request, tcp, unix) == {"ok": True}
        for family, address in ((socket.AF_INET, tcp.getsockname()), (socket.AF_UNIX, name)):
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(DEADLINE_S)
                sock.connect(address)
                sock.sendall(GET)
                assert read_answer(sock)[1] == b"storage GET /storage/v1/b 0"
    assert isinstance(gateway.storage, Recorder)

    assert {scope["identity"] for scope in gateway.storage.scopes} == {
        Identity(Kind.JOB, "p", "job1", "sa@p.example")
    }


def test_the_end_of_a_visit_ends_its_listeners(controlled: Controlled) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        address = tcp.getsockname()
        with controlled.visit() as visitor:
            assert ask(visitor, {"listen": {"identity": JOB}}, tcp) == {"ok": True}
            client = socket.create_connection(address, DEADLINE_S)
            client.sendall(GET)
            read_answer(client)

        with client:
            assert client.recv(100) == b""


def test_a_listener_can_be_handed_over_again(controlled: Controlled) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        for _ in range(3):
            with controlled.visit() as visitor:
                assert ask(visitor, {"listen": {"identity": JOB}}, tcp) == {"ok": True}
                with socket.create_connection(tcp.getsockname(), DEADLINE_S) as client:
                    client.sendall(GET)
                    assert b"200 OK" in read_answer(client)[0]


@pytest.mark.parametrize(("scope", "answer"), [("google", b" 502 "), ("hosts", b" 404 ")])
def test_the_emulators_exceptions_hold_where_google_does(
    controlled: Controlled, scope: str, answer: bytes
) -> None:
    request = {"listen": {"identity": JOB, "scope": scope}}
    with socket.create_server(("127.0.0.1", 0)) as tcp, controlled.visit() as visitor:
        ask(visitor, request, tcp)
        with socket.create_connection(tcp.getsockname(), DEADLINE_S) as client:
            client.sendall(b"CONNECT extra.example:443 HTTP/1.1\r\n\r\n")

            assert answer in read_answer(client)[0]


def test_the_state_is_told_and_the_end_is_taken(controlled: Controlled) -> None:
    with controlled.visit() as visitor:
        assert ask(visitor, {"status": True}) == {"ok": True, "pid": 7}
        assert ask(visitor, {"shutdown": True}) == {"ok": True}

    assert controlled.ended


@pytest.mark.parametrize(
    "request_",
    [{}, {"unknown": 1}, {"listen": {"identity": JOB}}, {"listen": {"scope": "all"}}, [], "x"],
)
def test_what_is_no_request_is_refused(controlled: Controlled, request_: Any) -> None:
    with controlled.visit() as visitor:
        answer = ask(visitor, request_)
        alive = ask(visitor, {"status": True})

    assert list(answer) == ["error"]
    assert alive["ok"]


def test_all_sockets_of_a_request_are_served_or_none(controlled: Controlled) -> None:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.create_server(("127.0.0.1", 0))
    with udp, controlled.visit() as visitor:
        address = tcp.getsockname()
        with tcp:
            assert "error" in ask(visitor, {"listen": {"identity": JOB}}, tcp, udp)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        assert ask(visitor, {"status": True})["ok"]


def test_an_endless_line_is_not_read(controlled: Controlled) -> None:
    with controlled.visit() as visitor:
        with pytest.raises(OSError):  # noqa: PT011 a reset or a broken pipe
            visitor.sendall(b"x" * (64 * LINE_LIMIT))
        with controlled.visit() as other:
            assert ask(other, {"status": True})["ok"]


def test_a_second_gateway_of_an_instance_is_refused(
    gateway: Gateway, controlled: Controlled
) -> None:
    async def second() -> None:
        Control(controlled.instance)

    with pytest.raises(OperatorError, match="Another gateway already serves"):
        gateway.call(second())


def test_a_visitor_may_leave_at_any_moment(controlled: Controlled) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        for cut in (b"", b'{"listen"', b'{"listen": {"identity": {}}}\n'):
            with controlled.visit() as visitor:
                if cut:
                    socket.send_fds(visitor, [cut], [tcp.fileno()])
    with controlled.visit() as visitor:
        assert ask(visitor, {"status": True})["ok"]
    until(lambda: not controlled.control.visits)
