import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.gateway.routes import Place
from emulator.testing.exchange import Answer, Origin, asked, exchange, status_of, taken_apart

ML = Origin.of("https://ml.googleapis.com/v1")
STORAGE = Origin.of("https://bucket.storage.googleapis.com")
Find = Callable[[str, str, Place], Awaitable[ASGIApp]]


def finds(app: ASGIApp, seen: list[tuple[str, str, Place]] | None = None) -> Find:
    async def find(method: str, path: str, place: Place) -> ASGIApp:
        if seen is not None:
            seen.append((method, path, place))
        return app

    return find


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body()
    text = f"{scope['scheme']} {request.method} {scope['raw_path']!r} {body!r}"
    await PlainTextResponse(text, headers={"x-a": "1"})(scope, receive, send)


def ask(raw: bytes, origin: Origin = ML, app: ASGIApp = echo) -> Answer:
    return taken_apart(asyncio.run(exchange(raw, origin, finds(app))), raw.split(b" ")[0].decode())


@pytest.mark.parametrize(
    ("url", "origin", "text"),
    [
        ("https://A.googleapis.com/x?y", ("https", "a.googleapis.com", 443), "a.googleapis.com"),
        ("http://metadata/", ("http", "metadata", 80), "metadata"),
        ("https://localhost.:8443/", ("https", "localhost", 8443), "localhost:8443"),
    ],
)
def test_origins_of_addresses(url: str, origin: tuple[str, str, int], text: str) -> None:
    found = Origin.of(url)
    assert (found.scheme, found.host, found.port) == origin
    assert str(found) == f"{origin[0]}://{text}"


def test_the_application_sees_what_was_asked() -> None:
    raw = asked("POST", b"/v1/a%2Fb?c=d", [(b"Host", b"ml.googleapis.com")], b"body")
    answer = ask(raw)
    assert answer.body == b"https POST b'/v1/a%2Fb' b'body'"
    assert ("X-A", "1") in answer.headers


def test_the_frame_of_a_body_is_ours() -> None:
    raw = asked("POST", b"/v1/x", [(b"Content-Length", b"99"), (b"Connection", b"close")], b"12")
    assert raw.endswith(b"\r\ncontent-length: 2\r\n\r\n12")
    assert b"close" not in raw


def test_a_chunked_body_is_put_together() -> None:
    head = b"POST /v1/x HTTP/1.1\r\nhost: ml.googleapis.com\r\ntransfer-encoding: chunked\r\n\r\n"
    assert ask(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").body.endswith(b"b'abcde'")


def test_a_streamed_answer_is_put_together() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(iter([b"a" * 300_000, b"b"]))(scope, receive, send)

    answer = ask(asked("GET", b"/v1/x", [], b""), app=app)
    assert (len(answer.body), answer.body[-1:]) == (300_001, b"b")


@pytest.mark.parametrize(
    ("raw", "status", "why"),
    [
        (b"nonsense\r\n\r\n", 400, b"The request line is not one of HTTP/1.1."),
        (b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nx", 400, b"shorter than it says"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, b"Only HTTP/1.1"),
        (
            b"GET /v1/x HTTP/1.1\r\nhost: ml.googleapis.com\r\norigin: https://evil.com\r\n\r\n",
            403,
            b"pages of other origins may not use the emulator",
        ),
    ],
)
def test_what_the_gateway_refuses_is_refused(raw: bytes, status: int, why: bytes) -> None:
    answer = ask(raw)
    assert answer.status == status
    assert why in answer.body


def test_an_application_that_fails_is_answered_for() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    assert ask(asked("GET", b"/v1/x", [], b""), app=app).status == 500


def test_the_host_decides_where_a_request_goes() -> None:
    seen: list[tuple[str, str, Place]] = []

    async def run() -> None:
        for origin in (ML, STORAGE):
            raw = asked("GET", b"/a%20b", [(b"host", origin.host.encode())], b"")
            assert status_of(await exchange(raw, origin, finds(echo, seen))) == 200

    asyncio.run(run())
    assert seen == [("GET", "/a b", Place.APPLICATION), ("GET", "/a b", Place.STORAGE)]
