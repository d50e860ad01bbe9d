import asyncio
import contextlib
import gc
import secrets
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from emulator.upstream import Broken, Unreachable, Upstream

Serve = Callable[[Reader, Writer], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[tuple[str, int]]:
    """A server whose connections run ``serve`` and are closed after it."""

    async def guarded(reader: Reader, writer: Writer) -> None:
        with (
            contextlib.closing(writer),
            contextlib.suppress(asyncio.IncompleteReadError, ConnectionError),
        ):
            await serve(reader, writer)

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, limit=1 << 20)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield host, port


async def head(reader: Reader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def chunks(reader: Reader) -> list[bytes]:
    found = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        found.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return found


async def pieces(*values: bytes) -> AsyncIterator[bytes]:
    for value in values:
        yield value


def test_sends_what_it_is_given_and_reads_the_answer() -> None:
    seen = []

    async def serve(reader: Reader, writer: Writer) -> None:
        seen.append(await head(reader))
        seen.append(await reader.readexactly(4))
        writer.write(
            b"HTTP/1.1 201 Made\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            headers = [(b"host", b"h.example"), (b"expect", b"100-continue"), (b"x-b", b"c")]
            answer = await upstream.send("POST", "/a%2Fb?c=d", headers, b"body")
            assert answer.status == 201
            assert answer.headers == [(b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"5")]
            assert await answer.read() == b"hello"

    asyncio.run(main())
    assert seen == [
        b"POST /a%2Fb?c=d HTTP/1.1\r\nhost: h.example\r\nx-b: c\r\ncontent-length: 4\r\n\r\n",
        b"body",
    ]


def test_keeps_a_connection_and_drops_one_that_the_server_closed() -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await head(reader)
            writer.write(OK)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            for _ in range(9):
                assert await (await upstream.send("GET", "/", [])).read() == b"ok"

    asyncio.run(main())
    assert connections == 3


def test_repeats_a_request_that_a_stale_connection_lost() -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        await head(reader)
        writer.write(OK)
        if connections == 1:
            await head(reader)  # takes the second request and leaves without a word

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            await (await upstream.send("GET", "/", [])).read()
            assert await (await upstream.send("DELETE", "/", [])).read() == b"ok"

    asyncio.run(main())
    assert connections == 2


def test_does_not_repeat_a_body_that_may_have_been_acted_on() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(OK)
        await head(reader)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            await (await upstream.send("GET", "/", [])).read()
            with pytest.raises(Broken):
                await upstream.send("POST", "/", [], b"once")

    asyncio.run(main())


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"6")]], ids=["chunked", "counted"])
def test_streams_a_body(headers: list[tuple[bytes, bytes]]) -> None:
    seen = []

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        seen.append(await (reader.readexactly(6) if headers else chunks(reader)))
        writer.write(OK)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            body = pieces(b"abc", b"", b"def")
            assert await (await upstream.send("PUT", "/", headers, body)).read() == b"ok"

    asyncio.run(main())
    assert seen == [b"abcdef"] if headers else [[b"abc", b"def"]]


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"6")]], ids=["chunked", "counted"])
def test_a_broken_body_never_looks_complete(headers: list[tuple[bytes, bytes]]) -> None:
    seen = []

    async def serve(reader: Reader, _: Writer) -> None:
        await head(reader)
        try:
            seen.append(await reader.read())
        except ConnectionError:
            seen.append(b"reset")

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        raise KeyError("the source broke")

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            with pytest.raises(KeyError, match="the source broke"):
                await upstream.send("PUT", "/", headers, body())
            async with asyncio.timeout(10):
                while not seen:
                    await asyncio.sleep(0.001)

    asyncio.run(main())
    assert seen[0] == b"reset" or b"0\r\n\r\n" not in seen[0]


@pytest.mark.parametrize("sent", [b"short", b"much too long"])
def test_a_body_must_be_as_long_as_announced(sent: bytes) -> None:
    async def serve(reader: Reader, _: Writer) -> None:
        await reader.read()

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            with pytest.raises(Broken, match="of the request"):
                await upstream.send("PUT", "/", [(b"content-length", b"8")], pieces(sent))

    asyncio.run(main())


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_at_once(status: int) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        while await head(reader):
            writer.write(b"HTTP/1.1 %d Nothing\r\ncontent-length: 7\r\n\r\n" % status)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            for method in ("GET", "HEAD"):
                answer = await upstream.send(method, "/", [])
                assert (answer.status, await answer.read()) == (status, b"")

    asyncio.run(main())


def test_head_has_a_length_and_no_body_and_100_is_no_answer() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 700\r\n\r\n")
        await head(reader)
        writer.write(OK)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            answer = await upstream.send("HEAD", "/", [])
            assert (answer.status, answer.headers) == (200, [(b"content-length", b"700")])
            assert await answer.read() == b""
            assert await (await upstream.send("GET", "/", [])).read() == b"ok"

    asyncio.run(main())


def test_an_answer_may_end_with_its_connection() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            assert await (await upstream.send("GET", "/", [])).read() == b"all of it"

    asyncio.run(main())


def test_a_short_answer_is_broken() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            answer = await upstream.send("GET", "/", [])
            with pytest.raises(Broken):
                await answer.read()

    asyncio.run(main())


def test_what_is_no_http_is_broken() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"SSH-2.0-hello\r\n")

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            with pytest.raises(Broken, match="does not speak HTTP"):
                await upstream.send("GET", "/", [])

    asyncio.run(main())


def test_nobody_at_the_address_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def main() -> None:
        for address in (("127.0.0.1", port), str(tmp_path / "none"), "\0cmle-nobody-is-here"):
            async with Upstream(address) as upstream:
                with pytest.raises(Unreachable, match="takes no connection"):
                    await upstream.send("GET", "/", [])

    asyncio.run(main())


def test_speaks_over_an_abstract_socket_of_its_own_user_only() -> None:
    address = f"\0cmle-test-{secrets.token_hex(8)}"

    async def serve(reader: Reader, writer: Writer) -> None:
        while await head(reader):
            writer.write(OK)

    async def guarded(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_unix_server(guarded, address):
            async with Upstream(address) as upstream:
                assert await (await upstream.send("GET", "/", [])).read() == b"ok"
            async with Upstream(address, peer_uid=54321) as upstream:
                with pytest.raises(Unreachable, match="belongs to user"):
                    await upstream.send("GET", "/", [])

    asyncio.run(main())


def test_a_silent_server_is_left_but_not_for_a_slow_source() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        if b"wait" in await head(reader):
            await reader.read()
        await chunks(reader)
        writer.write(OK)

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.1)
            yield b"x"

    async def main() -> None:
        async with serving(serve) as address, Upstream(address, idle_s=0.2) as upstream:
            assert await (await upstream.send("POST", "/", [], slow())).read() == b"ok"
            with pytest.raises(Broken, match="silent for"):
                await upstream.send("GET", "/wait", [])

    asyncio.run(main())


def test_waits_for_a_slow_reader_instead_of_keeping_everything() -> None:
    size = 64 << 20
    sent = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1 << 20

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            answer = await upstream.send("GET", "/", [])
            before = -1
            while before != sent:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.1)
            assert sent < size / 2
            assert sum([len(piece) async for piece in answer.body]) == size

    asyncio.run(main())


def test_an_early_answer_ends_the_upload() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno!")
        await writer.drain()
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            answer = await upstream.send("POST", "/", [], endless())
            assert (answer.status, await answer.read()) == (413, b"no!")

    asyncio.run(main())


def test_a_cancelled_request_leaves_no_connection() -> None:
    left = []

    async def serve(reader: Reader, _: Writer) -> None:
        await head(reader)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        left.append(True)

    async def main() -> None:
        async with serving(serve) as address, Upstream(address) as upstream:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await upstream.send("GET", "/", [])
            async with asyncio.timeout(10):
                while not left:
                    await asyncio.sleep(0.001)

    asyncio.run(main())
    gc.collect()


def test_headers_cannot_smuggle_a_request() -> None:
    async def main() -> None:
        async with Upstream(("127.0.0.1", 9)) as upstream:
            with pytest.raises(ValueError, match="no line breaks"):
                await upstream.send("GET", "/", [(b"a", b"b\r\nc: d")])
            with pytest.raises(ValueError, match="no line breaks"):
                await upstream.send("GET", "/ HTTP/1.1\nx: y", [])

    asyncio.run(main())
