import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from emulator.gateway.exchanges import PIECE, QUEUE_LIMIT, Exchange
from emulator.gateway.heads import parse


class Wire:
    """A connection that notes what it is told."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.held = False
        self.ended: list[Exchange] = []

    def write(self, *pieces: bytes | memoryview) -> None:
        self.written.append(b"".join(pieces))

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False

    def finished(self, exchange: Exchange) -> None:
        self.ended.append(exchange)


SCOPE: Scope = {"path": "/"}


def exchange(wire: Wire, request: bytes = b"GET / HTTP/1.1") -> Exchange:
    return Exchange(wire, parse(request))


def test_a_body_is_queued_to_a_limit_and_joined() -> None:
    async def scenario() -> tuple[Message, Message, bool]:
        wire = Wire()
        one = exchange(wire)
        one.feed([bytes(QUEUE_LIMIT), b"x"], complete=False)
        held = wire.held
        first = await one.receive()
        assert not wire.held
        one.feed([b"y"], complete=True)
        return first, await one.receive(), held

    first, second, held = asyncio.run(scenario())

    assert held
    assert (len(first["body"]), first["more_body"]) == (QUEUE_LIMIT + 1, True)
    assert (second["body"], second["more_body"]) == (b"y", False)


def test_a_small_answer_is_one_write_with_its_length() -> None:
    wire = Wire()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"Date", b"today"), (b"Transfer-Encoding", b"chunked")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hi"})

    asyncio.run(exchange(wire).run(app, SCOPE))

    assert wire.written == [b"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\n\r\nhi"]


def test_a_big_answer_goes_in_pieces() -> None:
    wire = Wire()
    content = bytes(range(256)) * (5 * PIECE // 512)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": content})

    asyncio.run(exchange(wire).run(app, SCOPE))

    assert b"".join(wire.written[1:]) == content
    assert max(map(len, wire.written)) == PIECE


def test_an_application_without_an_answer_is_answered_for() -> None:
    async def silent(*_: Any) -> None:
        pass

    wire = Wire()
    one = exchange(wire)
    asyncio.run(one.run(silent, SCOPE))

    assert wire.written[0].startswith(b"HTTP/1.1 500 ")
    assert wire.ended == [one]
    assert not one.broken


def test_an_unfinished_answer_is_broken() -> None:
    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    wire = Wire()
    one = exchange(wire)
    asyncio.run(one.run(half, SCOPE))

    assert wire.ended == [one]
    assert one.broken


def test_nothing_is_written_for_a_client_that_left() -> None:
    async def late(_scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.disconnect"}
        await send({"type": "http.response.start", "status": 200, "headers": []})

    wire = Wire()
    one = exchange(wire)
    one.disconnect()
    asyncio.run(one.run(late, SCOPE))

    assert wire.written == []
    assert wire.ended == []


def test_after_the_answer_the_client_is_gone_for_the_application() -> None:
    seen: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        seen.append(await receive())

    asyncio.run(exchange(Wire()).run(app, SCOPE))

    assert seen == [{"type": "http.disconnect"}]
