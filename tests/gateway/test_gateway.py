import asyncio
import contextlib
import json
import logging
import re
import resource
import shutil
import ssl
import subprocess

import pytest
from starlette.types import Receive, Scope, Send

from emulator.cluster import Network
from emulator.identity import Identity, Kind
from tests.gateway.conftest import Gateway, Recorder, Start, read_answer, read_head, until

GET = b"GET /v1/x HTTP/1.1\r\nHost: ml.googleapis.com\r\n\r\n"
MIB = 1024 * 1024
CURL = shutil.which("curl")


def recorder(app: object) -> Recorder:
    assert isinstance(app, Recorder)
    return app


# What clients send.
# Who may go where.


def test_connect_to_an_unknown_host_is_told_so(gateway: Gateway) -> None:
    head, _, body = gateway.ask(b"CONNECT pypi.example:443 HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")
    error = json.loads(body)["error"]

    assert head.startswith(b"HTTP/1.1 404 ")
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")
    assert "--allow-host pypi.example" in error["message"]


def test_an_unknown_host_does_not_end_the_connection(gateway: Gateway) -> None:
    with gateway.connect() as sock:
        sock.sendall(b"GET http://pypi.example/ HTTP/1.1\r\n\r\n")
        assert b" 404 " in read_answer(sock)[0]
        sock.sendall(GET)

        assert b" 200 " in read_answer(sock)[0]


def test_tls_for_an_unknown_host_is_refused(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        gateway.secure("pypi.example")

    until(lambda: "Refused user a request to pypi.example" in caplog.text)


def test_an_unknown_service_of_google_is_told_so(gateway: Gateway) -> None:
    with gateway.secure("bigquery.googleapis.com") as tls:
        tls.sendall(b"GET /v2/x HTTP/1.1\r\nHost: bigquery.googleapis.com\r\n\r\n")
        head, body = read_answer(tls)

    assert b" 404 " in head
    assert "--allow-host bigquery.googleapis.com" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("field", [b"Origin: https://evil.example", b"Host: evil.example"])
def test_browsers_pages_are_refused(gateway: Gateway, field: bytes) -> None:
    host = b"" if field.startswith(b"Host") else b"Host: 127.0.0.1:%d\r\n" % gateway.port
    with gateway.connect() as sock:
        sock.sendall(b"POST /v1/projects/p/jobs HTTP/1.1\r\n" + host + field + b"\r\n\r\n")
        head, body = read_answer(sock)

    assert b" 403 " in head
    assert "evil.example" in json.loads(body)["error"]["message"]
    assert recorder(gateway.application).scopes == []


def test_distrust_is_reported_once_with_the_cure(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    job = Identity(Kind.JOB, "p", "job1")
    gateway = start(Network(job))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.maximum_version = version
        with pytest.raises(ssl.SSLCertVerificationError), gateway.connect() as sock:
            context.wrap_socket(sock, server_hostname="storage.googleapis.com")
    until(lambda: "does not trust" in caplog.text)
    with gateway.connect() as sock:  # the gateway has seen both when it answers this
        sock.sendall(GET)
        read_answer(sock)
    reports = [record for record in caplog.records if "does not trust" in record.message]

    assert len(reports) == 1
    assert reports[0].levelno == logging.ERROR
    for part in ("job p/job1", "storage.googleapis.com", "ca.pem", "cmle run", "cmle env"):
        assert part in reports[0].message


# Real clients and big bodies.


@pytest.mark.skipif(CURL is None, reason="curl is not on this machine")
def test_curl_through_the_proxy(gateway: Gateway) -> None:
    assert CURL is not None
    ca = str(gateway.authority.folder / "ca.pem")
    proxy = f"http://127.0.0.1:{gateway.port}"
    answer = subprocess.run(
        [CURL, "-sS", "--cacert", ca, "-x", proxy, "-d", "a=b", "https://ml.googleapis.com/v1/y"],
        capture_output=True,
        check=True,
        env={},
        timeout=20,
    )

    assert answer.stdout == b"application POST /v1/y 3"


def test_big_bodies_pass_without_being_held(gateway: Gateway) -> None:
    total = 300 * MIB
    piece = bytes(MIB)

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        while True:
            message = await receive()
            received += len(message["body"])
            if not message["more_body"]:
                break
        headers = [(b"content-length", b"%d" % total), (b"x-received", b"%d" % received)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for sent in range(MIB, total + 1, MIB):
            await send({"type": "http.response.body", "body": piece, "more_body": sent < total})

    gateway.storage = app
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with gateway.tunnel("storage.googleapis.com") as tls:
        tls.sendall(b"PUT /b/o HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(total // MIB):
            tls.sendall(b"%x\r\n%s\r\n" % (MIB, piece))
        tls.sendall(b"0\r\n\r\n")
        head = read_head(tls)
        buffer = bytearray(MIB)
        received = 0
        while received < total:
            received += tls.recv_into(buffer)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert re.search(rb"X-Received: (\d+)", head)[1] == b"%d" % total  # type: ignore[index]
    assert received == total
    assert grown_kib < 40 * 1024


def test_a_slow_application_holds_the_client_back(gateway: Gateway) -> None:
    opened = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await opened.wait()
        await Recorder("slow")(scope, receive, send)

    gateway.application = slow
    with gateway.connect() as sock:
        sock.sendall(b"PUT /v1/x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        view = memoryview(bytes(64 * MIB))
        sent = 0
        sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent < len(view):
                sent += sock.send(view[sent:])
        assert sent < 32 * MIB
        gateway.loop.call_soon_threadsafe(opened.set)
        sock.settimeout(20)
        sock.sendall(view[sent:])

        assert read_answer(sock)[1] == b"slow PUT /v1/x %d" % (64 * MIB)
