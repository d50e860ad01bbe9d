"""The storage door: an ASGI application that answers as Cloud Storage does."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
from starlette.types import Receive, Scope, Send

from emulator.errors import OperatorError
from emulator.storage import batch, fields, routes
from emulator.storage.addresses import HOST
from emulator.storage.blobs import Blobs
from emulator.storage.database import Full
from emulator.storage.fake_gcs import FakeGcs
from emulator.storage.fake_gcs_parts import FakeGcsParts
from emulator.storage.index import Index
from emulator.storage.messages import ClientGone, Reply, Request
from emulator.storage.outside_fake_gcs import OutsideFakeGcs
from emulator.storage.parts import Lost, Parts
from emulator.storage.refusals import (
    Refusal,
    backend_error,
    disk_full,
    invalid,
    no_path,
    not_served,
)
from emulator.storage.routes import Routes, Target
from emulator.storage.sessions import Sessions
from emulator.storage.storehouse import Storehouse
from emulator.storage.upload_methods import Uploads
from emulator.storage.xml_api import XmlApi

_OK: Final = 200


class _Unreadable(Exception):
    """Not even the first bytes of an answer can be read: it may still become another one."""


class Door:
    """Every scope needs an ``identity``: whoever opened the listener knows it."""

    def __init__(
        self,
        storehouse: Storehouse,
        sessions: Sessions,
        server: FakeGcs | OutsideFakeGcs | None = None,
    ) -> None:
        uploads = Uploads(storehouse, sessions)
        self.project_of = storehouse.project_of  # of a bucket; empty if there is none
        self._routes = Routes(storehouse, uploads)
        self._xml = XmlApi(storehouse, uploads)
        self._server = server

    @property
    def fake_gcs_pid(self) -> int:
        """0 where the bytes are not in a fake-gcs-server of our own."""
        return self._server.pid if self._server is not None else 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"The storage door speaks HTTP, not {scope['type']}.")
        reply = Reply()
        try:
            try:
                request = Request.of(scope, receive)
            except Refusal as refusal:
                reply = Reply.refused(refusal)
            else:
                reply = await self.answer(request)
                await request.drain()
            try:
                await _send(reply, send, head_only=scope["method"] == "HEAD")
            except _Unreadable as error:
                await _send(Reply.refused(backend_error(str(error))), send, head_only=False)
        except ClientGone:
            return
        finally:
            if reply.close is not None:
                reply.close()

    async def answer(self, request: Request) -> Reply:
        """Answer a request; errors are answers too, but for a client that is gone."""
        try:
            return await self._answer(request)
        except Refusal as refusal:
            return Reply.refused(refusal)
        except Full as error:
            return Reply.refused(disk_full(str(error)))
        except Lost as error:
            return Reply.refused(backend_error(str(error)))

    async def _answer(self, request: Request) -> Reply:
        host = HOST.fullmatch(request.host.lower().partition(":")[0])
        where = routes.target(request.path, short=host is None)
        if where is None and host is None:
            raise no_path(request.path)
        if where is None or (host and host["bucket"]):
            return await self._xml_answer(request, (host and host["bucket"]) or "")
        if where.kind == "batch":
            if request.method != "POST":
                raise not_served(request.method, request.path)
            return await batch.answer(request, self._in_batch)
        return _selected(request, await self._routes.answer(request, where))

    async def _in_batch(self, request: Request) -> Reply:
        where = routes.target(request.path, short=True) or Target("", request.path.lstrip("/"))
        if where.kind:
            raise invalid(f"{request.path} is not served in a batch.")
        return await self.answer(request)

    async def _xml_answer(self, request: Request, bucket: str) -> Reply:
        path = request.path.removeprefix("/")
        if not bucket:
            bucket, _, path = path.partition("/")
        return await self._xml.answer(request, routes.decoded(bucket), routes.decoded(path))


@contextlib.asynccontextmanager
async def open_storage(
    data_dir: Path, *, fake_gcs_server: Path | str, log: logging.Logger | None = None
) -> AsyncIterator[Door]:
    """The storage of a data directory; fake-gcs-server runs for the time of the block.

    ``fake_gcs_server`` is the program, or the URL of one that somebody else runs for us alone.
    The door is an ASGI application; ``fake_gcs_pid`` is the server's process at the moment.
    Raises OperatorError for a directory that cannot be used or a server that does not start.
    """
    log = log or logging.getLogger(__name__)
    folder = data_dir / "storage"
    try:
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be made: {error.strerror}.") from error
    server: FakeGcs | OutsideFakeGcs
    if isinstance(fake_gcs_server, str):
        server = OutsideFakeGcs(fake_gcs_server, log)
        parts = FakeGcsParts(server, None, log)
    else:
        server = FakeGcs(fake_gcs_server, folder / "blobs", log)
        parts = FakeGcsParts(server, folder / "blobs", log)
    with contextlib.closing(Index(folder / "index.db")) as index:
        async with server.running(), serving(index, parts, log, server) as door:
            yield door


@contextlib.asynccontextmanager
async def serving(
    index: Index,
    parts: Parts,
    log: logging.Logger,
    server: FakeGcs | OutsideFakeGcs | None = None,
) -> AsyncIterator[Door]:
    """A door over an index and the parts that it names; the unused are swept meanwhile."""
    blobs = Blobs(parts, index, log)
    sessions = Sessions(index, blobs)
    sweeps = [asyncio.create_task(work) for work in (blobs.sweep(), sessions.sweep())]
    try:
        yield Door(Storehouse(index, blobs), sessions, server)
    finally:
        for sweep in sweeps:
            sweep.cancel()
        await asyncio.gather(*sweeps, return_exceptions=True)


async def _send(reply: Reply, send: Send, *, head_only: bool) -> None:
    headers = list(reply.headers)
    if isinstance(reply.body, bytes):
        if not any(name == b"content-length" for name, _ in headers) and reply.status not in {
            204,
            304,
        }:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head_only else reply.body})
        return
    pieces = aiter(reply.body)
    try:
        piece = await anext(pieces, b"")
    except Lost as error:
        raise _Unreadable(str(error)) from error
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    left = int(dict(headers).get(b"content-length", -1))
    more = True
    while piece:
        left -= len(piece)
        more = left != 0
        await send({"type": "http.response.body", "body": piece, "more_body": more})
        piece = await anext(pieces, b"")
    if more:
        await send({"type": "http.response.body", "body": b""})


def _selected(request: Request, reply: Reply) -> Reply:
    """Only the ``fields`` that the client wants, of an answer that is a document."""
    text = request.params.get("fields")
    if not text or not isinstance(reply.body, bytes) or not reply.body or reply.status != _OK:
        return reply
    if not any(value.startswith(b"application/json") for _, value in reply.headers):
        return reply
    try:
        selection = fields.parse(text)
    except ValueError as error:
        raise invalid(str(error)) from None
    return Reply.json(fields.select(msgspec.json.decode(reply.body), selection))
