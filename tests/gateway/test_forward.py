import asyncio
import json
import secrets
from collections.abc import Iterator

import pytest

from emulator.cluster import Network
from emulator.gateway.forward import Forward
from emulator.gateway.heads import parse
from emulator.identity import Identity, Kind
from emulator.upstream import Upstream
from tests.gateway.conftest import Gateway, Start, read_all, read_answer, read_head, until

JOB = Network(Identity(Kind.JOB, "p", "job1", "sa@p.example"))
ANSWER = b"HTTP/1.1 201 Created\r\nX-Two: 2\r\nContent-Length: 5\r\n\r\nhello"


class Backend:
    """A server that notes heads and bodies, and answers what it is told, byte for byte."""

    def __init__(self, gateway: Gateway) -> None:
        self.address = f"\0cmle-test-{secrets.token_hex(4)}"
        self.answer = ANSWER
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.left = 0
        self.connections = 0
        self._gateway = gateway
        self._writers: list[asyncio.StreamWriter] = []
        self._server = gateway.call(asyncio.start_unix_server(self._serve, self.address))
        self.upstream = Upstream(self.address)
        gateway.application = Forward(self.upstream)

    def close(self) -> None:
        self._gateway.call(self.upstream.aclose())
        self._gateway.call(self.leave())

    async def leave(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.bodies.append(await self._body(reader))
                if not self.answer:
                    await reader.read(1)
                    break
                writer.write(self.answer)
        except asyncio.IncompleteReadError:
            pass
        self.left += 1
        writer.transport.abort()

    async def _body(self, reader: asyncio.StreamReader) -> bytes:
        head = parse(self.heads[-1].removesuffix(b"\r\n\r\n"))
        if head.length is not None:
            return await reader.readexactly(head.length)
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body


@pytest.fixture
def gateway(start: Start) -> Gateway:
    return start(JOB)


@pytest.fixture
def backend(gateway: Gateway) -> Iterator[Backend]:
    backend = Backend(gateway)
    yield backend
    backend.close()


def test_requests_carry_the_listeners_identity(gateway: Gateway, backend: Backend) -> None:
    with gateway.secure("ml.googleapis.com") as tls:
        tls.sendall(
            b"POST /v1/a%2Fb?alt=json HTTP/1.1\r\nHost: ml.googleapis.com\r\nConnection: x\r\n"
            b'X-Cmle-Identity: {"kind":"service"}\r\nContent-Length: 2\r\n\r\n{}'
        )
        head, body = read_answer(tls)
    lines = backend.heads[0].split(b"\r\n")
    identity = [line for line in lines if line.lower().startswith(b"x-cmle-identity:")]

    assert head.startswith(b"HTTP/1.1 201 Created\r\nX-Two: 2\r\n")
    assert body == b"hello"
    assert lines[0] == b"POST /v1/a%2Fb?alt=json HTTP/1.1"
    assert b"host: ml.googleapis.com" in lines
    assert len(identity) == 1
    assert json.loads(identity[0].partition(b":")[2]) == {
        "kind": "job",
        "project": "p",
        "name": "job1",
        "email": "sa@p.example",
    }
    assert backend.bodies == [b"{}"]


def test_one_connection_serves_many_clients(gateway: Gateway, backend: Backend) -> None:
    for _ in range(5):
        with gateway.connect() as sock:
            sock.sendall(b"GET /v1/x HTTP/1.1\r\n\r\n")
            read_answer(sock)

    assert backend.connections == 1


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"Content-Length: 3000000"])
def test_big_bodies_are_streamed(gateway: Gateway, backend: Backend, framing: bytes) -> None:
    content = b"x" * 3_000_000
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    with gateway.connect() as sock:
        sock.sendall(b"POST /v1/x HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        sock.sendall(framed if b"chunked" in framing else content)

        assert read_answer(sock)[1] == b"hello"
    assert backend.bodies == [content]


def test_chunked_answers_and_answers_without_a_body(gateway: Gateway, backend: Backend) -> None:
    with gateway.connect() as sock:
        backend.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        sock.sendall(b"DELETE /v1/x HTTP/1.1\r\n\r\n")
        assert b" 204 " in read_head(sock)
        backend.answer = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        )
        sock.sendall(b"GET /v1/x HTTP/1.1\r\nConnection: close\r\n\r\n")

        assert read_all(sock).endswith(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n")


def test_without_the_emulator_the_answer_is_503(gateway: Gateway) -> None:
    gateway.application = Forward(Upstream("\0cmle-test-nobody"))
    with gateway.connect() as sock:
        sock.sendall(b"GET /v1/x HTTP/1.1\r\n\r\n")
        head, body = read_answer(sock)

    assert b" 503 " in head
    assert json.loads(body)["error"]["status"] == "UNAVAILABLE"
    assert "starting again" in json.loads(body)["error"]["message"]


def test_an_answer_that_breaks_off_is_not_taken_for_whole(
    gateway: Gateway, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"
    with gateway.connect() as sock:
        sock.sendall(b"GET /v1/x HTTP/1.1\r\n\r\n")
        read_head(sock)
        gateway.call(backend.leave())
        with pytest.raises(ConnectionResetError):
            read_all(sock)

    assert "cut short" in caplog.text


def test_a_client_that_leaves_ends_the_request(gateway: Gateway, backend: Backend) -> None:
    backend.answer = b""  # never
    with gateway.connect() as sock:
        sock.sendall(b"GET /v1/x HTTP/1.1\r\n\r\n")
        until(lambda: len(backend.bodies) == 1)

    until(lambda: backend.left == 1)
    until(lambda: not gateway.board.tasks)


def test_a_client_that_breaks_its_body_ends_the_request(gateway: Gateway, backend: Backend) -> None:
    with gateway.connect() as sock:
        sock.sendall(b"PUT /v1/x HTTP/1.1\r\nContent-Length: 1000000\r\n\r\npart")
        until(lambda: len(backend.heads) == 1)

    until(lambda: backend.left == 1)
    until(lambda: not gateway.board.tasks)
    assert backend.bodies == []
