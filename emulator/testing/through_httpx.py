"""httpx: its two transports."""

from collections.abc import Awaitable, Callable

import httpx

from emulator.testing.exchange import Origin, asked, taken_apart
from emulator.testing.interception import Interception
from emulator.testing.seams import Undo, current, put

Handle = Callable[[httpx.HTTPTransport, httpx.Request], httpx.Response]
HandleAsync = Callable[[httpx.AsyncHTTPTransport, httpx.Request], Awaitable[httpx.Response]]


def patch() -> list[Undo]:
    return [
        put(httpx.HTTPTransport, "handle_request", _handle),
        put(httpx.AsyncHTTPTransport, "handle_async_request", _handle_async),
    ]


def _handle(original: Handle) -> Handle:
    def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        origin = Origin.of(str(request.url))
        cloud = _answering(origin, request)
        if cloud is None:
            return original(transport, request)
        request.read()
        return _response(cloud.answer(origin, _raw(request)), request)

    return handle_request


def _handle_async(original: HandleAsync) -> HandleAsync:
    async def handle_async_request(
        transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        origin = Origin.of(str(request.url))
        cloud = _answering(origin, request)
        if cloud is None:
            return await original(transport, request)
        await request.aread()
        return _response(await cloud.answer_async(origin, _raw(request)), request)

    return handle_async_request


def _answering(origin: Origin, request: httpx.Request) -> Interception | None:
    cloud = current()
    target = request.url.raw_path.decode("latin-1")
    return cloud if cloud is not None and cloud.answers(origin, request.method, target) else None


def _raw(request: httpx.Request) -> bytes:
    return asked(request.method, request.url.raw_path, request.headers.raw, request.content)


def _response(raw: bytes, request: httpx.Request) -> httpx.Response:
    answer = taken_apart(raw, request.method)
    return httpx.Response(
        answer.status,
        headers=answer.headers,
        stream=httpx.ByteStream(answer.body),
        extensions={"http_version": b"HTTP/1.1"},
    )
