"""Resumable uploads: what has come of each is kept, also over a restart."""

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from emulator.storage.blobs import Blobs
from emulator.storage.digests import Digest
from emulator.storage.index import Index
from emulator.storage.intake import Intake
from emulator.storage.messages import ClientGone, Request
from emulator.storage.refusals import Refusal, invalid
from emulator.storage.values import Session

_CONTENT_RANGE: Final = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)")
_KEPT_US: Final = 7 * 24 * 3600 * 1_000_000
_SWEEP_S: Final = 3600.0

Finish = Callable[[Session, Digest], Session]


class Span(msgspec.Struct, frozen=True):
    """A request's Content-Range. ``end`` is after the last byte; None where it is not said.

    Without ``has_bytes`` it only asks how far the upload has come.
    """

    start: int = 0
    end: int | None = None
    total: int | None = None
    has_bytes: bool = True

    @property
    def is_last(self) -> bool:
        return self.end is None or self.end == self.total


class Sessions:
    """One request at a time for a session: a new one ends an older one that hangs."""

    def __init__(self, index: Index, blobs: Blobs) -> None:
        self._index = index
        self._blobs = blobs
        self._digests: dict[str, Digest] = {}
        self._taking: dict[str, asyncio.Task[Session]] = {}
        self._settling: set[str] = set()  # of those taken, the ones that store what came

    def open(self, session: Session) -> Session:
        """Begin an upload; its id is unguessable."""
        now = self._index.now_us()
        fresh = msgspec.structs.replace(session, id=secrets.token_urlsafe(32), created=now)
        return self._index.put_session(fresh)

    async def close(self, session_id: str) -> None:
        """The client gives the upload up."""
        await self._interrupt(session_id)
        self._forget(self._get(session_id))

    async def continue_(self, session_id: str, request: Request, finish: Finish) -> Session:
        """Take what a request brings; ``finish`` makes the object when all is there.

        Answers the session as it is then: ``finished`` holds the object's resource, if so.
        """
        await self._interrupt(session_id)
        session = self._get(session_id)
        if session.finished:
            await request.drain()
            return session
        span = parse_span(request.headers.get("content-range"))
        _check(session, span)
        if span.has_bytes:
            task = asyncio.create_task(self._take(session, span, request))
            self._taking[session_id] = task
            try:
                session = await asyncio.shield(task)
            except asyncio.CancelledError:
                if not task.cancelled():
                    await self._end_taking(session_id, task)
                    raise
                raise Refusal(
                    503, "backendError", "A newer request continues this upload."
                ) from None
            finally:
                if self._taking.get(session_id) is task:
                    del self._taking[session_id]
        if _is_complete(session, span):
            return await self._finish(session, finish)
        return session

    async def sweep(self) -> None:
        """Drop sessions that nobody has touched for a week, for ever."""
        while True:
            for session_id in self._index.stale_sessions(self._index.now_us() - _KEPT_US):
                if session_id not in self._taking and (found := self._index.session(session_id)):
                    self._forget(found)
            await asyncio.sleep(_SWEEP_S)

    def end(self, session: Session) -> None:
        """The session has failed for good."""
        self._forget(session)

    async def _take(self, session: Session, span: Span, request: Request) -> Session:
        """Store the bytes of a request; of a broken one, those that came."""
        digest = await self._digest(session)
        known = session.received - span.start  # bytes that are sent again
        limit = None if span.end is None else span.end - span.start
        count = 0
        broken: ClientGone | asyncio.CancelledError | None = None
        async with Intake(self._blobs, digest) as intake:
            try:
                async for piece in request.body():
                    new = piece[max(known - count, 0) :]
                    count += len(piece)
                    if limit is not None and count > limit:
                        raise invalid(f"The body is longer than its Content-Range: {limit} bytes.")
                    await intake.feed(new)
            except (ClientGone, asyncio.CancelledError) as why:
                broken = why
            self._settling.add(session.id)
            try:
                parts = await intake.finish()
            finally:
                self._settling.discard(session.id)
            added = sum(part.size for part in parts)
            session = self._index.put_session(
                msgspec.structs.replace(
                    session, parts=session.parts + parts, received=session.received + added
                )
            )
        self._digests[session.id] = digest
        if broken is not None:
            raise broken
        return session

    async def _finish(self, session: Session, finish: Finish) -> Session:
        digest = await self._digest(session)
        try:
            with self._index.transaction():
                finished = finish(session, digest)
                done = self._index.put_session(msgspec.structs.replace(finished, parts=()))
        except Refusal:
            self._forget(session)
            raise
        self._digests.pop(session.id, None)
        return done

    async def _digest(self, session: Session) -> Digest:
        """Of the bytes so far: read again if this process did not take them."""
        digest = self._digests.pop(session.id, None)
        if digest is not None and digest.size == session.received:
            return digest
        digest = Digest()
        reading = self._blobs.read(session.parts, 0, session.received)
        try:
            async for piece in reading:
                await digest.update(piece)
        finally:
            reading.close()
        return digest

    async def _interrupt(self, session_id: str) -> None:
        while (task := self._taking.get(session_id)) is not None:
            await self._end_taking(session_id, task)
            if self._taking.get(session_id) is task:
                del self._taking[session_id]

    async def _end_taking(self, session_id: str, task: "asyncio.Task[Session]") -> None:
        """Have a request read no more; what it has read is stored before this returns."""
        if session_id not in self._settling:
            task.cancel()
        await asyncio.wait([task])

    def _get(self, session_id: str) -> Session:
        session = self._index.session(session_id)
        if session is None:
            raise Refusal(404, "notFound", "The upload session does not exist, or it was ended.")
        return session

    def _forget(self, session: Session) -> None:
        self._digests.pop(session.id, None)
        self._index.delete_session(session.id)
        self._blobs.collect([part.id for part in session.parts])


def parse_span(header: str | None) -> Span:
    """Read a Content-Range; without one the body is the whole object."""
    if header is None:
        return Span()
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise invalid(f"Invalid Content-Range: '{header}'")
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return Span(total=total, has_bytes=False)
    span = Span(int(first), int(last) + 1, total)
    if int(last) < int(first) or (total is not None and int(last) >= total):
        raise invalid(f"Invalid Content-Range: '{header}'")
    return span


def _check(session: Session, span: Span) -> None:
    if span.start > session.received:
        raise Refusal(
            503,
            "backendError",
            "Invalid request. According to the Content-Range header, the upload offset is "
            f"{span.start} byte(s), which exceeds already uploaded size of {session.received} "
            "byte(s).",
        )
    if session.length is not None and span.total not in {None, session.length}:
        raise invalid(
            f"Invalid request. The upload was announced with {session.length} byte(s), "
            f"the Content-Range says {span.total}."
        )


def _is_complete(session: Session, span: Span) -> bool:
    if not span.has_bytes:
        return span.total == session.received
    if span.end is not None:
        return span.is_last and session.received == span.total
    if session.length is not None and session.length != session.received:
        raise invalid(
            f"Invalid request. The upload was announced with {session.length} byte(s), "
            f"there were {session.received}."
        )
    return True
