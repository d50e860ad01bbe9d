"""A storage door over a real fake-gcs-server, served by a real web server."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from emulator.identity import Identity
from emulator.server import default_cache_dir
from emulator.storage import Door, open_storage
from emulator.storage.binary import find_or_obtain

PROJECT = "test-project"
T = TypeVar("T")


class Service:
    """A door, the loop that it runs on and the port that it is served at."""

    def __init__(self, data_dir: Path, program: Path) -> None:
        self._data_dir = data_dir
        self._program = program
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the door's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        log = logging.getLogger("tests.storage")
        async with open_storage(self._data_dir, fake_gcs_server=self._program, log=log) as door:
            self.door: Door = door
            with socket.create_server(("127.0.0.1", 0), backlog=128) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else 40 ms a request
                self.port = sock.getsockname()[1]
                config = uvicorn.Config(
                    self._identified, interface="asgi3", log_config=None, lifespan="off"
                )
                server = uvicorn.Server(config)
                serving = asyncio.create_task(server.serve([sock]))
                self._ready.set()
                await self._ended.wait()
                server.should_exit = True
                await serving

    async def _identified(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        document = headers.get(b"x-test-identity", b'{"project":"test-project"}')
        scope["identity"] = msgspec.json.decode(document, type=Identity)
        await self.door(scope, receive, send)


@pytest.fixture(scope="session")
def fake_gcs_server() -> Path:
    return find_or_obtain(None, default_cache_dir(), lambda _: None)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, fake_gcs_server: Path) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("storage"), fake_gcs_server) as running:
        yield running


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as session:
        yield session


class Bucket:
    """A bucket of a test's own, and what tests do with it."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self.client = client
        self.name = name
        self.path = f"/storage/v1/b/{name}"

    def object_path(self, name: str) -> str:
        return f"{self.path}/o/{quote(name, safe='')}"

    def upload(self, name: str, content: Any = b"", **params: str) -> httpx.Response:
        return self.client.post(
            f"/upload{self.path}/o",
            params={"uploadType": "media", "name": name, **params},
            content=content,
            headers={"content-type": "text/plain"},
        )

    def put(self, name: str, content: bytes = b"") -> dict[str, Any]:
        answer = self.upload(name, content)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def stat(self, name: str, **params: str) -> httpx.Response:
        return self.client.get(self.object_path(name), params=params)

    def read(self, name: str, **headers: str) -> httpx.Response:
        return self.client.get(self.object_path(name), params={"alt": "media"}, headers=headers)

    def listing(self, **params: str | int) -> dict[str, Any]:
        answer = self.client.get(f"{self.path}/o", params=params)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def names(self, **params: str | int) -> list[str]:
        return [item["name"] for item in self.listing(**params).get("items", [])]

    def xml(self, method: str, path: str, **headers: str) -> httpx.Response:
        """By the XML API: ``path`` is sent as it is."""
        url = httpx.URL(str(self.client.base_url), raw_path=path.encode())
        return self.client.request(
            method, url, headers={"host": "storage.googleapis.com", **headers}
        )


@pytest.fixture
def new_bucket(client: httpx.Client) -> Callable[[], Bucket]:
    def make() -> Bucket:
        bucket = Bucket(client, f"bucket-{next(_NUMBERS)}")
        answer = client.post(
            "/storage/v1/b", params={"project": PROJECT}, json={"name": bucket.name}
        )
        assert answer.status_code == 200, answer.text
        return bucket

    return make


@pytest.fixture
def bucket(new_bucket: Callable[[], Bucket]) -> Bucket:
    return new_bucket()


_NUMBERS = iter(range(1_000_000))


@pytest.fixture(scope="session")
def shared(client: httpx.Client) -> Bucket:
    """One bucket for many examples of one test."""
    answer = client.post("/storage/v1/b", params={"project": PROJECT}, json={"name": "shared-one"})
    assert answer.status_code == 200, answer.text
    return Bucket(client, "shared-one")
