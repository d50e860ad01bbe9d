"""The emulator's own way to Cloud Storage: list, look at, read and copy objects out."""

import secrets
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from emulator.errors import NotFound, Unavailable
from emulator.names import GcsUri
from emulator.upstream import Answer, Upstream

_HOST: Final = (b"host", b"storage.googleapis.com")


class StoredObject(msgspec.Struct, frozen=True):
    """An object as a listing shows it; ``size`` in bytes."""

    name: str
    size: int
    generation: int


class Objects:
    """Reads through the gateway's storage door with the emulator's own identity."""

    def __init__(self, instance: str) -> None:
        self._upstream = Upstream(f"\0cmle-service-{instance}")

    async def aclose(self) -> None:
        await self._upstream.aclose()

    async def stat(self, uri: GcsUri) -> StoredObject | None:
        """Answer the object of this URI; None if it, or its bucket, is missing."""
        answer = await self._get(f"/storage/v1/b/{_q(uri.bucket)}/o/{_q(uri.object)}")
        document = await self._document(answer, missing=None)
        return None if document is None else _stored(document)

    async def bucket_exists(self, bucket: str) -> bool:
        answer = await self._get(f"/storage/v1/b/{_q(bucket)}")
        return await self._document(answer, missing=None) is not None

    async def list(self, uri: GcsUri) -> list[StoredObject]:
        """All objects below a folder URI, in order; empty if there is none, or no bucket."""
        prefix = uri.object if not uri.object or uri.object.endswith("/") else f"{uri.object}/"
        found: list[StoredObject] = []
        page = ""
        while True:
            query = urlencode({"prefix": prefix, **({"pageToken": page} if page else {})})
            answer = await self._get(f"/storage/v1/b/{_q(uri.bucket)}/o?{query}")
            document = await self._document(answer, missing={})
            found += map(_stored, document.get("items", ()))
            page = document.get("nextPageToken", "")
            if not page:
                return found

    async def download(self, uri: GcsUri, target: Path) -> None:
        """Write an object to a new file, whole or not at all; NotFound if it is missing."""
        answer = await self._get(f"/storage/v1/b/{_q(uri.bucket)}/o/{_q(uri.object)}?alt=media")
        try:
            if answer.status == 404:  # noqa: PLR2004
                raise NotFound(f"There is no object {uri}.")
            if answer.status != 200:  # noqa: PLR2004
                raise Unavailable(f"Reading {uri} failed: storage answered {answer.status}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
            try:
                with part.open("xb") as file:
                    async for piece in answer.body:
                        file.write(piece)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        finally:
            await answer.aclose()

    async def _get(self, target: str) -> Answer:
        return await self._upstream.send("GET", target, [_HOST])

    async def _document(self, answer: Answer, *, missing: Any) -> Any:
        try:
            body = await answer.read()
        finally:
            await answer.aclose()
        if answer.status == 404:  # noqa: PLR2004
            return missing
        if answer.status != 200:  # noqa: PLR2004
            raise Unavailable(f"Storage answered {answer.status}: {body[:200]!r}")
        return msgspec.json.decode(body)


def _q(text: str) -> str:
    return quote(text, safe="")


def _stored(document: dict[str, Any]) -> StoredObject:
    return StoredObject(
        document["name"], int(document.get("size", 0)), int(document.get("generation", 0))
    )
