import contextlib
import json
import shutil
import socket
import ssl
import struct
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from emulator.gateway import connections
from emulator.identity import Identity
from tests.gateway.conftest import Gateway, Recorder, read_all, read_answer, read_head, until

GET = b"GET /v1/x HTTP/1.1\r\nHost: ml.googleapis.com\r\n\r\n"
MIB = 1024 * 1024
CURL = shutil.which("curl")


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def recorder(app: object) -> Recorder:
    assert isinstance(app, Recorder)
    return app


# What clients send.


def test_plain_requests_are_answered(gateway: Gateway) -> None:
    with gateway.connect() as sock:
        sock.sendall(GET)

        assert read_answer(sock)[1] == b"application GET /v1/x 0"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_at_once_and_through_connect(gateway: Gateway, version: ssl.TLSVersion) -> None:
    context = gateway.trusting()
    context.maximum_version = version
    sockets = [gateway.connect(), gateway.connect()]
    sockets[1].sendall(b"CONNECT us-central1-ml.googleapis.com:443 HTTP/1.1\r\n\r\n")
    read_head(sockets[1])

    for sock in sockets:
        with context.wrap_socket(sock, server_hostname="us-central1-ml.googleapis.com") as tls:
            tls.sendall(GET)
            assert read_answer(tls)[1] == b"application GET /v1/x 0"
            assert tls.selected_alpn_protocol() is None
            assert tls.version() == version.name.replace("v1_", "v1.")


def test_tls_to_an_address(gateway: Gateway) -> None:
    with gateway.secure("127.0.0.1") as tls:
        tls.sendall(b"GET /storage/v1/b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

        assert read_answer(tls)[1] == b"storage GET /storage/v1/b 0"


def test_plain_http_and_a_proxys_tls_inside_connect(gateway: Gateway) -> None:
    with gateway.connect() as sock:
        sock.sendall(b"CONNECT metadata.google.internal:80 HTTP/1.1\r\n\r\n")
        read_head(sock)
        sock.sendall(b"GET /computeMetadata/v1/ HTTP/1.1\r\n\r\n")
        assert read_answer(sock)[1] == b"application GET /computeMetadata/v1/ 0"
    scope = recorder(gateway.application).scopes[-1]

    assert scope["scheme"] == "http"
    assert scope["server"] == ("metadata.google.internal", 80)
    assert (b"host", b"metadata.google.internal") in scope["headers"]


def test_tls_through_a_proxy_that_is_spoken_to_in_tls(gateway: Gateway) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = gateway.trusting().wrap_bio(
        incoming, outgoing, server_hostname="storage.googleapis.com"
    )
    with gateway.secure("localhost") as outer:
        outer.sendall(b"CONNECT storage.googleapis.com:443 HTTP/1.1\r\n\r\n")
        assert b" 200 " in read_head(outer)

        def converse(step: Any) -> Any:
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    outer.sendall(outgoing.read())
                    incoming.write(outer.recv(65536))
                else:
                    outer.sendall(outgoing.read())
                    return result

        converse(inner.do_handshake)
        converse(lambda: inner.write(b"GET /b/o HTTP/1.0\r\n\r\n"))

        assert b"200 OK" in converse(lambda: inner.read(65536))


def test_absolute_targets_override_the_host(gateway: Gateway) -> None:
    answer = gateway.ask(
        b"GET http://storage.googleapis.com/b/o%2Fp?alt=media HTTP/1.1\r\n"
        b"Host: elsewhere\r\nConnection: close\r\n\r\n"
    )
    scope = recorder(gateway.storage).scopes[-1]

    assert answer.endswith(b"storage GET /b/o/p 0")
    assert scope["raw_path"] == b"/b/o%2Fp"
    assert scope["query_string"] == b"alt=media"
    assert [value for name, value in scope["headers"] if name == b"host"] == [
        b"storage.googleapis.com"
    ]
    assert scope["identity"] == Identity()


def test_the_oddities_of_tensorflow(gateway: Gateway) -> None:
    with gateway.tunnel("www.googleapis.com") as tls:
        tls.sendall(
            b"POST /upload/storage/v1/b/B/o?uploadType=resumable HTTP/1.1\r\n"
            b"Host: www.googleapis.com\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert read_answer(tls)[1] == b"storage POST /upload/storage/v1/b/B/o 0"
        tls.sendall(
            b"PUT /upload/storage/v1/b/B/o HTTP/1.1\r\nHost: www.googleapis.com\r\n"
            b"Transfer-Encoding: chunked\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_head(tls) == b"HTTP/1.1 100 Continue\r\n\r\n"
        tls.sendall(chunked(b"hello ", b"world"))
        assert read_answer(tls)[1] == b"storage PUT /upload/storage/v1/b/B/o 11"

    assert recorder(gateway.storage).bodies == [b"", b"hello world"]


def test_requests_in_one_piece_are_answered_in_order(gateway: Gateway) -> None:
    put = b"PUT /v1/%d HTTP/1.1\r\nHost: ml.googleapis.com\r\nTransfer-Encoding: chunked\r\n\r\n"
    requests = [put % number + chunked(b"x" * number) for number in range(1, 20)]
    with gateway.secure("ml.googleapis.com") as tls:
        tls.sendall(b"".join(requests))
        answers = [read_answer(tls)[1] for _ in requests]

    assert answers == [b"application PUT /v1/%d %d" % (n, n) for n in range(1, 20)]


def test_many_waiting_requests_are_all_answered(gateway: Gateway) -> None:
    count = 3 * connections.SURPLUS_LIMIT // len(GET)
    with gateway.connect() as sock:
        sock.sendall(GET * count)
        answers = [read_answer(sock)[1] for _ in range(count)]

    assert set(answers) == {b"application GET /v1/x 0"}


def test_a_request_byte_by_byte(gateway: Gateway) -> None:
    with gateway.connect() as sock:
        for byte in b"\r\nPUT /v1/y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(
            b"ab"
        ):
            sock.sendall(bytes([byte]))

        assert read_answer(sock)[1] == b"application PUT /v1/y 2"


def test_clients_of_http_1_0(gateway: Gateway) -> None:
    async def streaming(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    gateway.application = streaming
    answer = gateway.ask(b"GET /v1/x HTTP/1.0\r\n\r\n")

    assert b"chunked" not in answer
    assert b"Connection: close" in answer
    assert answer.endswith(b"\r\n\r\none two")


# What applications answer.


def test_answers_of_unknown_length_are_chunked(gateway: Gateway) -> None:
    async def streaming(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one ", b"", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    gateway.application = streaming
    answer = gateway.ask(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    assert answer.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_answers_without_a_body_leave_the_connection_usable(
    gateway: Gateway, method: bytes, status: int
) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"4")] if status == 200 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"body"})

    with gateway.connect() as sock:
        gateway.application = app
        sock.sendall(GET.replace(b"GET", method))
        head = read_head(sock)
        gateway.application = Recorder("next")
        sock.sendall(GET)

        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"chunked" not in head
        assert (b"Content-Length: 4" in head) == (status == 200)
        assert read_answer(sock)[1] == b"next GET /v1/x 0"


def test_an_application_that_fails_is_answered_for(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("the reason")

    gateway.application = failing
    with gateway.connect() as sock:
        sock.sendall(GET)
        head, body = read_answer(sock)

    assert b" 500 " in head
    assert json.loads(body)["error"]["status"] == "INTERNAL"
    assert "the reason" in caplog.text


@pytest.mark.parametrize("body", [b"short", b"much too long"])
def test_an_answer_that_breaks_its_promise_is_cut(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    async def lying(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await send({"type": "http.response.body", "body": body})

    gateway.application = lying
    with gateway.connect() as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ConnectionResetError):
            read_all(sock)

    assert "Content-Length" in caplog.text


# Clients that leave or dawdle.


def test_a_broken_upload_is_a_disconnect(gateway: Gateway) -> None:
    storage = recorder(gateway.storage)
    with gateway.tunnel("storage.googleapis.com") as tls:
        tls.sendall(b"PUT /b/o HTTP/1.1\r\nContent-Length: 1000\r\n\r\npart")
        until(lambda: any(message.get("body") for message in storage.messages))

    assert storage.ended.wait(10)
    assert storage.messages[-1] == {"type": "http.disconnect"}
    assert storage.bodies == []


def test_a_malformed_chunk_is_a_disconnect(gateway: Gateway) -> None:
    storage = recorder(gateway.storage)
    with gateway.connect() as sock:
        sock.sendall(
            b"PUT /storage/v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npartX\r\n"
        )
        with pytest.raises(ConnectionResetError):
            sock.recv(100)

    assert storage.ended.wait(10)
    assert storage.bodies == []


def test_a_reset_reaches_the_application_that_still_answers(gateway: Gateway) -> None:
    outcome: list[object] = []

    async def endless(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * MIB, "more_body": True})
        except OSError as error:
            outcome.extend([error, await receive()])
            raise

    gateway.application = endless
    with gateway.connect() as sock:
        sock.sendall(GET)
        sock.recv(100_000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: len(outcome) == 2)

    assert outcome[1] == {"type": "http.disconnect"}


def test_an_early_answer_waits_for_the_rest_of_the_body(gateway: Gateway) -> None:
    async def refusing(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 412, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    with gateway.connect() as sock:
        gateway.application = refusing
        sock.sendall(b"PUT /v1/x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (20 * MIB))
        sock.sendall(bytes(20 * MIB))
        assert read_answer(sock)[1] == b"no"
        gateway.application = Recorder("next")
        sock.sendall(GET)

        assert read_answer(sock)[1] == b"next GET /v1/x 0"


def test_half_a_head_is_not_waited_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_DEADLINE_S", 0.1)
    with gateway.connect() as silent, gateway.connect() as slow, gateway.connect() as greeting:
        slow.sendall(b"GET /v1/x HT")
        greeting.sendall(b"\x16\x03\x01")
        for sock in (silent, slow, greeting):
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(100) == b""


def test_idle_connections_are_ended(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_DEADLINE_S", 0.1)
    with gateway.connect() as sock:
        sock.sendall(GET)
        read_answer(sock)

        assert sock.recv(100) == b""


def test_a_body_that_does_not_come_is_a_disconnect(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BODY_DEADLINE_S", 0.1)
    with gateway.connect() as sock:
        sock.sendall(b"PUT /storage/v1/x HTTP/1.1\r\nContent-Length: 9\r\n\r\nx")

        assert recorder(gateway.storage).ended.wait(10)
    assert recorder(gateway.storage).bodies == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /v1/x HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET ftp://h/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
def test_what_cannot_be_read_is_refused(
    gateway: Gateway, request_bytes: bytes, status: int
) -> None:
    head, _, body = gateway.ask(request_bytes).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"]["code"] == status
