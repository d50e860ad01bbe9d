"""Streams of the engine, read by threads: a container's log, and the news of ends."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from docker.types.daemon import CancellableStream

from emulator.runners.docker.engine import HELLO_S, Engine, EngineLost
from emulator.runners.docker.frames import Frame, Frames

log = logging.getLogger(__name__)

_WAITING_BYTES: Final = 4 << 20  # of a log that nobody has taken yet
_AGAIN_S: Final = 0.5
_TAIL: Final = 50  # records that a follower may have missed


async def log_of(engine: Engine, container: str) -> AsyncIterator[Frame]:
    """The frames of a container's log from its first line on, up to its end.

    A follower may end before the last record is written (of a line without a newline, at the
    exit), so that the end of the log is read once more. Raises Refusal and EngineLost.
    """
    frames, last = Frames(), None
    reading = _Reading(engine, container)
    try:
        while (data := await reading.next()) is not None:
            for frame in frames.feed(data):
                last = frame
                yield frame
    finally:
        reading.close()
    for tail in (_TAIL, "all"):
        found = await stored(engine, container, tail=tail)
        if last is None or last in found:
            for frame in found[found.index(last) + 1 if last else 0 :]:
                yield frame
            return


async def stored(engine: Engine, container: str, **params: Any) -> list[Frame]:
    """The frames that the engine has now; ``params`` are the endpoint's."""

    def work(_: object) -> list[Frame]:
        with open_log(engine, container, **params) as response:
            return list(Frames().feed(response.content))

    return await engine.call(work)


def open_log(engine: Engine, container: str, **params: Any) -> Any:
    """The response of ``GET /containers/NAME/logs``, streamed."""
    client = engine.client
    response = client.get(
        f"{client.base_url}/v{client.api_version}/containers/{container}/logs",
        params={"stdout": 1, "stderr": 1, "timestamps": 1, **params},
        stream=True,
        timeout=(HELLO_S, None if params.get("follow") else client.timeout),
    )
    client._raise_for_status(response)  # noqa: SLF001 the SDK parses logs itself otherwise
    return response


class _Reading:
    """One thread that reads one log; its failure is raised by ``next``.

    The engine sends each record by itself: what has come is handed over together.
    """

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._changed = threading.Condition()
        self._pieces: list[bytes] = []
        self._size = 0
        self._end: Exception | None = None
        self._is_over = False
        self._closed = False
        self._stream: CancellableStream | None = None
        threading.Thread(target=self._work, name=f"log of {container}", daemon=True).start()

    async def next(self) -> bytes | None:
        """What has come since the last call; None at the end."""
        while True:
            await self._news.wait()
            with self._changed:
                self._news.clear()
                data = b"".join(self._pieces)
                self._pieces.clear()
                self._size = 0
                self._changed.notify_all()
                if self._is_over:
                    self._news.set()
            if data:
                return data
            if self._is_over:
                if self._end is not None:
                    raise self._end
                return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            stream = self._stream
            self._changed.notify_all()
        if stream is not None:
            with contextlib.suppress(Exception):  # it may have ended by itself
                stream.close()

    def _work(self) -> None:
        try:
            self._engine.ask(lambda _: self._read())
        except Exception as error:  # noqa: BLE001 raised where it is awaited
            self._end = error
        with self._changed:
            self._is_over = True
        self._ring()

    def _read(self) -> None:
        response = open_log(self._engine, self._container, follow=1)
        content = response.iter_content(chunk_size=None)
        with self._changed:
            self._stream = CancellableStream(content, response)
        for data in content:
            if not self._take(data):
                break
        response.close()

    def _take(self, data: bytes) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._size < _WAITING_BYTES)
            was_empty = not self._pieces
            self._pieces.append(data)
            self._size += len(data)
            is_open = not self._closed
        if was_empty:
            self._ring()
        return is_open

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._news.set)


class News:
    """Rings a bell for each container that ends; all of them when the engine was away."""

    def __init__(self, engine: Engine, label: str, returned: Callable[[], None]) -> None:
        self._engine = engine
        self._label = label
        self._returned = returned
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream: Any = None
        self._closed = False

    def begin(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._work, name="news of containers", daemon=True).start()

    @contextlib.contextmanager
    def bell(self, container: str) -> Iterator[asyncio.Event]:
        """Set when the container may have ended."""
        bell = asyncio.Event()
        self._bells.setdefault(container, set()).add(bell)
        try:
            yield bell
        finally:
            self._bells[container].discard(bell)
            if not self._bells[container]:
                del self._bells[container]

    def close(self) -> None:
        self._closed = True
        if self._stream is not None:
            with contextlib.suppress(Exception):
                self._stream.close()

    def _work(self) -> None:
        away = False
        while not self._closed:
            try:
                self._engine.ask(lambda client: client.ping())
                if away:
                    self._tell(self._returned)
                away = False
                self._engine.ask(lambda _: self._listen())
            except Exception as error:  # noqa: BLE001 news are a convenience: waiters look, too
                log.debug("No news of containers: %s", error)
                away = away or isinstance(error, EngineLost)
            if not self._closed:
                self._tell(self._ring_all)
                threading.Event().wait(_AGAIN_S)

    def _listen(self) -> None:
        filters = {"type": "container", "event": "die", "label": self._label}
        self._stream = self._engine.client.events(filters=filters, decode=True)
        for event in self._stream:
            name = event.get("Actor", {}).get("Attributes", {}).get("name", "")
            self._tell(lambda name=name: self._ring(name))  # type: ignore[misc]

    def _tell(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(call)

    def _ring(self, name: str) -> None:
        for bell in self._bells.get(name, ()):
            bell.set()

    def _ring_all(self) -> None:
        for name in list(self._bells):
            self._ring(name)
