"""Buckets and objects of a running emulator, by ``gs://`` URI."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from emulator.errors import OperatorError
from emulator.names import GcsUri
from emulator.rest import Connection, Refused, read_document

NOT_FOUND: Final = 404
CONFLICT: Final = 409
CHUNK: Final = 1 << 20


class Buckets:
    """The storage side of a client; ``project`` owns the buckets it makes."""

    def __init__(self, connection: Connection, project: str) -> None:
        self._connection = connection
        self._project = project

    def create(self, name: str, *, exist_ok: bool = False) -> None:
        try:
            self._connection.document(
                "POST", "/storage/v1/b", {"name": name}, {"project": self._project}
            )
        except Refused as refused:
            if not (exist_ok and refused.code == CONFLICT):
                raise

    def remove(self, name: str) -> None:
        """Remove a bucket with all that is in it."""
        for entry in tuple(self.objects(f"gs://{name}/")):
            self.delete(str(GcsUri(name, entry["name"])))
        self._connection.request("DELETE", f"/storage/v1/b/{name}")

    def exists(self, uri: str) -> bool:
        """Whether the bucket, or the object, is there."""
        where = GcsUri.parse(uri)
        path = _object_path(where) if where.object else f"/storage/v1/b/{where.bucket}"
        try:
            self._connection.request("GET", path)
        except Refused as refused:
            if refused.code == NOT_FOUND:
                return False
            raise
        return True

    def objects(self, uri: str) -> Iterator[dict[str, Any]]:
        """The objects whose names begin as ``uri`` does."""
        where = GcsUri.parse(uri)
        path = f"/storage/v1/b/{where.bucket}/o"
        params: dict[str, str] = {"prefix": where.object}
        while True:
            answer = self._connection.document("GET", path, params=params)
            yield from answer.get("items", [])
            if not (token := answer.get("nextPageToken")):
                return
            params["pageToken"] = token

    def upload(
        self, uri: str, content: bytes | Path, content_type: str = "application/octet-stream"
    ) -> dict[str, Any]:
        """Store bytes, or a file without holding it in memory, as one object."""
        where = GcsUri.parse(uri)
        path = f"/upload/storage/v1/b/{where.bucket}/o"
        params = {"uploadType": "media", "name": where.object}
        headers = {"content-type": content_type}
        if isinstance(content, bytes):
            answer = self._connection.request(
                "POST", path, params=params, content=content, headers=headers
            )
        else:
            headers["content-length"] = str(content.stat().st_size)
            with content.open("rb") as file:
                answer = self._connection.request(
                    "POST", path, params=params, content=_chunks(file), headers=headers
                )
        return read_document(answer)

    def upload_folder(self, uri: str, folder: Path | str) -> list[str]:
        """Store every file below ``folder`` under ``uri`` and answer their URIs."""
        base, root = GcsUri.parse(uri), Path(folder)
        stored = []
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            target = str(base / path.relative_to(root).as_posix())
            self.upload(target, path)
            stored.append(target)
        return stored

    def download(self, uri: str) -> bytes:
        path = _object_path(GcsUri.parse(uri))
        return self._connection.request("GET", path, params={"alt": "media"})

    def download_folder(self, uri: str, folder: Path | str) -> list[Path]:
        """Fetch every object below the folder ``uri`` into ``folder``."""
        base = GcsUri.parse(uri.rstrip("/") + "/")
        root = Path(folder).resolve()
        fetched = []
        for entry in self.objects(str(base)):
            relative = entry["name"].removeprefix(base.object)
            if not relative or relative.endswith("/"):
                continue  # a folder's own marker
            target = (root / relative.lstrip("/")).resolve()
            if not target.is_relative_to(root):
                raise OperatorError(f"The object name {entry['name']!r} leads out of {root}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.download(str(GcsUri(base.bucket, entry["name"]))))
            fetched.append(target)
        return fetched

    def delete(self, uri: str) -> None:
        self._connection.request("DELETE", _object_path(GcsUri.parse(uri)))


def _object_path(where: GcsUri) -> str:
    return f"/storage/v1/b/{where.bucket}/o/{quote(where.object, safe='')}"


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
