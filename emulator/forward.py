"""A port of this machine that leads to a Unix socket: the gateway's face in docker compose.

``python -m emulator.forward PORT SOCKET`` serves until SIGTERM. A socket that nobody serves
yet, or no more, is waited for: a gateway that is started again loses no client.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

WAIT_S: Final = 30.0  # for a gateway that is being started
_RETRY_S: Final = 0.1
_PIECE: Final = 1 << 18
_BACKLOG: Final = 512


class Forward:
    """Connections of a listening port, each joined with one to the socket at ``target``."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Take connections from now on; answers the port."""
        self._server = await asyncio.start_server(self._welcome, host, port, backlog=_BACKLOG)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Take no more connections and end those that are open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 a task runs this
        self._open.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._reach()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, far_writer))
                group.create_task(_pass_on(far_reader, writer))
        except* OSError:
            writer.transport.abort()
            far_writer.transport.abort()
        finally:
            far_writer.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(WAIT_S):
            while True:
                with contextlib.suppress(OSError):
                    return await asyncio.open_unix_connection(self._target)
                await asyncio.sleep(_RETRY_S)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything of one way, then its end."""
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _serve(port: int, target: Path) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    forward = Forward(target)
    await forward.listen("0.0.0.0", port)  # noqa: S104 of a container; the engine publishes it
    try:
        await ended.wait()
    finally:
        await forward.close()


def main(argv: Sequence[str]) -> int:
    port, target = argv
    asyncio.run(_serve(int(port), Path(target)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
