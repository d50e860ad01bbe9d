import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Sequence

import pytest

from emulator.cluster import Exit, Line, Ref, SiteSpec
from emulator.deployment import socket_name
from emulator.model_server import LOAD_FAILED, ModelServer
from emulator.runners import Abilities, Site
from emulator.upstream import Broken, Unreachable

REF = Ref("told", "site", "server", "server")


class Told:
    """A runner whose process prints ``lines`` and ends as it is told."""

    name = "told"
    abilities = Abilities()

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.end: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    async def open(self, spec: SiteSpec) -> Site:
        raise NotImplementedError(spec)

    async def follow(self, ref: Ref, since: int) -> AsyncIterator[Line]:
        assert (ref, since) == (REF, 0)
        for number, text in enumerate(self.lines, 1):
            yield Line(number, 0.0, "stderr", text)

    async def wait(self, ref: Ref) -> Exit:
        assert ref == REF
        return await asyncio.shield(self.end)

    async def stop(self, refs: Sequence[Ref], grace_s: float) -> None:
        raise NotImplementedError(refs, grace_s)

    async def close(self, site_id: str) -> None:
        raise NotImplementedError(site_id)

    async def forget(self, site_id: str) -> None:
        raise NotImplementedError(site_id)

    async def reach(self, ref: Ref, listen: str) -> str:
        raise NotImplementedError(ref, listen)

    async def sweep(self, known: Collection[str]) -> list[str]:
        raise NotImplementedError(known)


def address(instance: str) -> str:
    return "\0" + socket_name(instance, REF.site_id)


async def why(end: Exit, *lines: str) -> str:
    runner = Told(*lines)
    server = ModelServer(runner, REF, address(secrets.token_hex(6)))
    runner.end.set_result(end)
    assert not await server.healthy(5.0, patient=True)
    try:
        return await server.failure()
    finally:
        await server.let_go()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Exit("exited", code=3), "ended with status 3"),
        (Exit("exited", signal=11), "was ended by signal 11"),
        (Exit("exited", signal=9, out_of_memory=True), "ran out of memory"),
        (Exit("lost", message="Nobody knows."), "is gone. Nobody knows."),
    ],
)
def test_how_a_server_ended_is_told_with_its_last_lines(end: Exit, said: str) -> None:
    lines = [f"line {number}" for number in range(30)]
    told = asyncio.run(why(end, *lines))
    assert told.splitlines() == [f"the model server {said}", *lines[10:]]


def test_its_own_words_come_first() -> None:
    own = LOAD_FAILED + '"two\\nlines"'
    assert asyncio.run(why(Exit("exited", code=1), "before", own, "after")) == "two\nlines"


def serve(answer: bytes, instance: str) -> "asyncio.Task[asyncio.Server]":
    """Answer every request on the server's socket with these bytes; nothing for none."""

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    return asyncio.create_task(asyncio.start_unix_server(visit, address(instance)))


def test_an_answer_is_passed_on() -> None:
    async def work() -> None:
        instance = secrets.token_hex(6)
        listener = await serve(b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", instance)
        server = ModelServer(Told(), REF, address(instance))
        async with listener:
            assert await server.ask(b"{}", 5.0) == (503, b"no")
            assert not await server.healthy(5.0, patient=True)
        await server.let_go()

    asyncio.run(work())


def test_a_broken_connection_of_a_living_server() -> None:
    async def work() -> None:
        instance = secrets.token_hex(6)
        listener = await serve(b"", instance)
        server = ModelServer(Told(), REF, address(instance))
        async with listener:
            with pytest.raises(Broken, match="closed the connection"):
                await server.ask(b"{}", 5.0)
        assert server.open_requests == 0
        await server.let_go()

    asyncio.run(work())


def test_a_broken_connection_of_a_dead_server() -> None:
    async def work() -> None:
        instance = secrets.token_hex(6)
        runner = Told()
        listener = await serve(b"", instance)
        server = ModelServer(runner, REF, address(instance))
        async with listener:
            asyncio.get_running_loop().call_later(0.05, runner.end.set_result, Exit("exited", 7))
            with pytest.raises(Broken, match="ended with status 7"):
                await server.ask(b"{}", 5.0)
        await server.let_go()

    asyncio.run(work())


def test_nobody_listens() -> None:
    async def work() -> None:
        server = ModelServer(Told(), REF, address(secrets.token_hex(6)))
        with pytest.raises(Unreachable):
            await server.ask(b"{}", 5.0)
        assert not await server.healthy(5.0, patient=False)
        assert not server.is_over
        await server.let_go()

    asyncio.run(work())
