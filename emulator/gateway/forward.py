"""Requests passed on: to the emulator's application, or to a host that the user allowed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.errors import ApiError, Unavailable
from emulator.gateway.exchanges import Cut
from emulator.gateway.routes import Outside, Refusal
from emulator.gateway.ways_out import WaysOut
from emulator.identity import HEADER
from emulator.upstream import Answer, Broken, Headers, Unreachable, Upstream

CONNECT_DEADLINE_S: Final = 15.0
SILENCE_S: Final = 3600.0  # a prediction, or a stream of logs, may take its time

_IDENTITY: Final = HEADER.encode()


class Departed(Exception):
    """The client has left; nobody waits for the answer."""


class Forward:
    """The application that stands for the emulator's own; see ``__call__``."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the identity of its listener, and the answer back."""
        headers = [*scope["headers"], (_IDENTITY, self._encode(scope["identity"]))]
        try:
            await relay(self._upstream, _target(scope), headers, scope, receive, send)
        except Unreachable:
            await _refuse(
                Unavailable("The emulator is starting again; try once more in a second."), send
            )
        except Broken as error:
            await _refuse(Unavailable(f"The emulator ended before it answered. {error}"), send)


def outside(to: Outside, ways_out: WaysOut) -> ASGIApp:
    """The application that passes plain requests on to an allowed host."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        proxy = ways_out.proxy("http", to.host)
        target, headers = _target(scope), scope["headers"]
        address = (to.host, to.port)
        if proxy is not None:
            host = next(value for name, value in headers if name == b"host").decode("latin-1")
            target, address = f"http://{host}{target}", (proxy.host, proxy.port)
        upstream = Upstream(
            address, connect_s=CONNECT_DEADLINE_S, idle_s=SILENCE_S, keep_alive_s=0.0
        )
        async with upstream:
            try:
                await relay(upstream, target, headers, scope, receive, send)
            except (Unreachable, Broken) as error:
                message = f"{to.host} is allowed, but cannot be reached. {error}"
                await _refuse(Unavailable(message), send, 502)

    return app


async def relay(
    upstream: Upstream, target: str, headers: Headers, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send a request on as it comes and the answer back as it comes.

    A client that leaves ends the exchange with the server as well. Raises Unreachable and Broken
    as ``Upstream.send`` does; once the answer has begun, ``Cut``.
    """
    visit = _Visit(receive)
    try:
        body = await visit.body()
        answer = await upstream.send(scope["method"], target, headers, body)
        async with answer:
            await _pass_back(answer, send)
    except Departed:
        return
    except asyncio.CancelledError:
        if not visit.over:
            raise
        visit.task.uncancel()
    finally:
        visit.end()


async def _pass_back(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    try:
        async for piece in answer.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except Broken as error:
        raise Cut(str(error)) from error
    await send({"type": "http.response.body", "body": b""})


class _Visit:
    """A client's presence: its body first, then a watch that cancels the exchange if it leaves."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 a coroutine runs in a task
        self.task = task
        self.over = False
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None

    async def body(self) -> bytes | AsyncIterator[bytes] | None:
        first = await self._receive()
        if first["type"] == "http.disconnect":
            raise Departed
        if first["more_body"]:
            return self._stream(first["body"])
        self._begin_watch()
        return first["body"] or None

    def end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _stream(self, piece: bytes) -> AsyncIterator[bytes]:
        yield piece
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Departed
            yield message["body"]
            more = message["more_body"]
        self._begin_watch()

    def _begin_watch(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._until_departure())

    async def _until_departure(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.over = True
        self.task.cancel()


def _target(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


async def _refuse(error: ApiError, send: Send, status: int | None = None) -> None:
    refusal = Refusal.of(error, status)
    await send(
        {"type": "http.response.start", "status": refusal.status, "headers": refusal.headers}
    )
    await send({"type": "http.response.body", "body": refusal.body})
