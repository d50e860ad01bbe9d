"""Uploads by the JSON API: media, multipart, resumable."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from emulator.storage import conditions, grants
from emulator.storage.digests import Digest, expected
from emulator.storage.documents import object_document
from emulator.storage.intake import Intake
from emulator.storage.messages import DOCUMENT_LIMIT, Reply, Request, parse_document
from emulator.storage.multipart import Multipart
from emulator.storage.refusals import invalid, required
from emulator.storage.sessions import Sessions
from emulator.storage.storehouse import Content, Storehouse, settable
from emulator.storage.values import Bucket, Object, Session

_OCTETS: Final = "application/octet-stream"
_RESUME: Final = 308


class Uploads:
    """What ``POST …/o`` may be; its session's later requests come to ``continue_``."""

    def __init__(self, storehouse: Storehouse, sessions: Sessions) -> None:
        self._storehouse = storehouse
        self._sessions = sessions

    async def insert(self, _: Storehouse, request: Request, bucket: str) -> Reply:
        if "upload_id" in request.params:
            return await self.continue_(request)
        kind = request.params.get("uploadType") or request.headers.get("x-goog-upload-protocol")
        if kind == "media":
            return await self._media(request, bucket)
        if kind == "multipart":
            return await self._multipart(request, bucket)
        if kind == "resumable":
            return await self._resumable(request, bucket)
        raise invalid(f"Invalid value for uploadType: '{kind or ''}'")

    async def store(
        self,
        request: Request,
        holder: Bucket,
        name: str,
        body: AsyncIterator[bytes],
        document: Mapping[str, Any],
        wanted: conditions.Conditions,
    ) -> Object:
        """Make an object of a body that comes in one piece, if it comes whole."""
        self._storehouse.check(holder.name, name, wanted)
        async with Intake(self._storehouse.blobs) as intake:
            async for piece in body:
                await intake.feed(piece)
            parts = await intake.finish()
            intake.digest.check(expected(request.headers, document))
            digest = intake.digest
            content = Content(parts, digest.size, digest.crc32c, digest.md5)
            return self._storehouse.create(holder, name, content, settable(document), wanted)

    def begin(self, request: Request, holder: Bucket, name: str, document: dict[str, Any]) -> str:
        """Open a session; answers its id."""
        length = request.headers.get("x-upload-content-length")
        checks = expected({"x-goog-hash": request.headers.get("x-goog-hash", "")}, document)
        wanted = conditions.of_params(request.params) | conditions.of_headers(request.headers)
        self._storehouse.check(holder.name, name, wanted)
        session = Session(
            id="",
            bucket=holder.name,
            name=name,
            created=0,
            touched=0,
            document=settable(document),
            checks=checks,
            conditions=wanted,
            length=None if length is None else conditions.number(length, "X-Upload-Content-Length"),
            full=request.is_full,
        )
        return self._sessions.open(session).id

    async def continue_(self, request: Request) -> Reply:
        """A later request of a session: bytes, a question, or its end."""
        session_id = request.params["upload_id"]
        if request.method == "DELETE":
            await self._sessions.close(session_id)
            return Reply(499)

        def finish(session: Session, digest: Digest) -> Session:
            return self._finish(session, digest, request)

        session = await self._sessions.continue_(session_id, request, finish)
        if session.finished:
            return Reply.json(session.finished)
        headers = [(b"x-guploader-uploadid", session_id.encode())]
        if session.received:
            headers.append((b"range", b"bytes=0-%d" % (session.received - 1)))
        return Reply(_RESUME, headers)

    def _finish(self, session: Session, digest: Digest, request: Request) -> Session:
        digest.check(session.checks | expected(request.headers, {}))
        holder = self._storehouse.target(request, session.bucket, session.name)
        content = Content(session.parts, digest.size, digest.crc32c, digest.md5)
        document = dict(session.document)
        document.setdefault("contentType", _OCTETS)
        stored = self._storehouse.create(
            holder, session.name, content, document, session.conditions
        )
        finished = object_document(stored, request.links, holder.project, full=session.full)
        return msgspec.structs.replace(session, finished=finished)

    async def _media(self, request: Request, bucket: str) -> Reply:
        name = request.params.get("name")
        if name is None:
            raise required("name")
        holder = self._storehouse.target(request, bucket, name)
        document = {"contentType": request.headers.get("content-type") or _OCTETS}
        return await self._whole(request, holder, name, request.body(), document)

    async def _multipart(self, request: Request, bucket: str) -> Reply:
        multipart = Multipart(request.body(), request.headers.get("content-type", ""))
        if await multipart.next_part() is None:
            raise invalid("Missing the part of the metadata.")
        document = parse_document(await multipart.read(DOCUMENT_LIMIT))
        media = await multipart.next_part()
        if media is None:
            raise invalid("Missing the part of the media.")
        name = request.params.get("name") or document.get("name")
        if not isinstance(name, str):
            raise required("name")
        holder = self._storehouse.target(request, bucket, name)
        document.setdefault("contentType", media.get("content-type") or _OCTETS)
        return await self._whole(request, holder, name, _to_the_end(multipart), document)

    async def _resumable(self, request: Request, bucket: str) -> Reply:
        document = await request.document()
        name = request.params.get("name") or document.get("name")
        if not isinstance(name, str):
            raise required("name")
        holder = self._storehouse.target(request, bucket, name)
        if content_type := request.headers.get("x-upload-content-type"):
            document.setdefault("contentType", content_type)
        self._complete(request, holder, document)
        session_id = self.begin(request, holder, name, document)
        where = (
            f"{request.origin}/upload/storage/v1/b/{bucket}/o?uploadType=resumable"
            f"&name={quote(name, safe='')}&upload_id={session_id}"
        )
        return Reply(
            200, [(b"location", where.encode()), (b"x-guploader-uploadid", session_id.encode())]
        )

    async def _whole(
        self,
        request: Request,
        holder: Bucket,
        name: str,
        body: AsyncIterator[bytes],
        document: dict[str, Any],
    ) -> Reply:
        full = request.is_full or "acl" in document
        self._complete(request, holder, document)
        wanted = conditions.of_params(request.params)
        stored = await self.store(request, holder, name, body, document, wanted)
        return Reply.json(object_document(stored, request.links, holder.project, full=full))

    def _complete(self, request: Request, holder: Bucket, document: dict[str, Any]) -> None:
        """What a query says beside the metadata."""
        if encoding := request.params.get("contentEncoding"):
            document["contentEncoding"] = encoding
        if chosen := request.params.get("predefinedAcl"):
            document["acl"] = grants.predefined(chosen, holder.project)


async def _to_the_end(multipart: Multipart) -> AsyncIterator[bytes]:
    """The media part; only the closing boundary after it says that it is whole."""
    async for piece in multipart.content():
        yield piece
    if await multipart.next_part() is not None:
        raise invalid("The body has more than two parts.")
