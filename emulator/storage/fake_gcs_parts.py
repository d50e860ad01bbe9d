"""Parts in fake-gcs-server: asked again while it is being started again."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from emulator.connection import Headers
from emulator.storage.database import Full
from emulator.storage.fake_gcs import BUCKET, FakeGcs
from emulator.storage.outside_fake_gcs import OutsideFakeGcs
from emulator.storage.parts import Lost
from emulator.storage.values import Part
from emulator.upstream import Answer, Broken, Unreachable

_PATIENCE_S: Final = 45.0  # for a fake-gcs-server that is being started again
_PAUSE_S: Final = 0.05
_ENOUGH: Final = 64 << 20  # bytes free: a failure with less is the disk's
_OK: Final = 200
_PARTIAL: Final = 206
_NOT_FOUND: Final = 404
_UPLOAD: Final = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name="
_DOWNLOAD: Final = f"/download/storage/v1/b/{BUCKET}/o/"
_DELETE: Final = f"/storage/v1/b/{BUCKET}/o/"


class FakeGcsParts:
    """Each part is an object of the server's one bucket, a file below ``root`` if that is here."""

    def __init__(
        self, server: FakeGcs | OutsideFakeGcs, root: Path | None, log: logging.Logger
    ) -> None:
        self._server = server
        self._root = root
        self._log = log

    async def write(self, part: Part, pieces: Sequence[bytes]) -> None:
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", b"%d" % part.size),
        ]
        status, text = await self._told("POST", _UPLOAD + part.id, headers, pieces)
        if status == _OK:
            return
        if b"no space" in text or b"quota" in text or self._is_short():
            raise Full(f"fake-gcs-server: {text[:200].decode(errors='replace')}")
        raise Lost(f"fake-gcs-server answered {status} to a write: {text[:200]!r}")

    async def read(self, part: Part, start: int, end: int) -> AsyncGenerator[bytes]:
        while start < end:
            headers = []
            if start > 0 or end < part.size:
                headers = [(b"range", b"bytes=%d-%d" % (start, end - 1))]
            answer = await self._ask("GET", f"{_DOWNLOAD}{part.id}?alt=media", headers)
            async with answer:
                if answer.status not in {_OK, _PARTIAL}:
                    raise Lost(f"The blob {part.id} is not in fake-gcs-server: {answer.status}.")
                try:
                    async for piece in answer.body:
                        start += len(piece)
                        yield piece
                except Broken as error:
                    self._log.warning("Reading on after a break: %s", error)
                else:
                    if start < end:
                        raise Lost(f"The blob {part.id} is shorter than it was.")

    async def delete(self, part_id: str) -> None:
        status, _ = await self._told("DELETE", _DELETE + part_id, [])
        if status == _NOT_FOUND:
            if self._root is not None:  # never finished: it may lie there torn
                (self._root / BUCKET / part_id).unlink(missing_ok=True)
        elif status != _OK:
            raise Lost(f"fake-gcs-server answered {status} to a deletion.")

    async def _told(
        self, method: str, target: str, headers: Headers, pieces: Sequence[bytes] = ()
    ) -> tuple[int, bytes]:
        """A whole answer; one that breaks off is asked for again."""
        while True:
            answer = await self._ask(method, target, headers, pieces)
            try:
                return answer.status, await answer.read()
            except Broken as error:
                self._log.info("Asking fake-gcs-server again: %s", error)

    async def _ask(
        self, method: str, target: str, headers: Headers, pieces: Sequence[bytes] = ()
    ) -> Answer:
        """One request, repeated while fake-gcs-server is being started again."""
        try:
            async with asyncio.timeout(_PATIENCE_S) as patience:
                while True:
                    upstream = await self._server.upstream()
                    try:
                        body = pieces[0] if len(pieces) == 1 else _each(pieces)
                        answer = await upstream.send(
                            method, target, headers, body if pieces else None
                        )
                    except (Unreachable, Broken) as error:
                        self._log.info("Asking fake-gcs-server again: %s", error)
                        await asyncio.sleep(_PAUSE_S)
                    else:
                        patience.reschedule(None)
                        return answer
        except TimeoutError:
            raise Lost(f"fake-gcs-server has been away for {_PATIENCE_S:.0f} s.") from None

    def _is_short(self) -> bool:
        """Whether the disk is all but full, if it is a disk of this machine."""
        if self._root is None:
            return False
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize < _ENOUGH


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
