"""What the index keeps: buckets, objects, and the parts that hold an object's bytes."""

from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One blob of fake-gcs-server; several objects may share it."""

    id: str
    size: int


class Bucket(msgspec.Struct, frozen=True):
    """Times in microseconds since the epoch. ``document`` holds what clients may set, as they
    name it; ``policy`` the IAM bindings, None while they are the ones that a bucket begins with.
    """

    name: str
    project: str
    created: int
    updated: int
    metageneration: int = 1
    document: dict[str, Any] = {}
    policy: dict[str, Any] | None = None


class Object(msgspec.Struct, frozen=True):
    """A live object. ``md5`` is empty for a composed one; ``document`` as in Bucket."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int
    crc32c: int
    md5: bytes
    created: int
    updated: int
    parts: tuple[Part, ...] = ()
    document: dict[str, Any] = {}

    @property
    def content_type(self) -> str:
        return str(self.document.get("contentType") or "application/octet-stream")

    @property
    def is_gzip(self) -> bool:
        return bool(self.document.get("contentEncoding") == "gzip")


class Session(msgspec.Struct, frozen=True):
    """A resumable upload. ``parts`` are the ``received`` bytes so far.

    ``finished`` is the resource that the last request was answered with, empty before.
    """

    id: str
    bucket: str
    name: str
    created: int
    touched: int
    received: int = 0
    parts: tuple[Part, ...] = ()
    document: dict[str, Any] = {}
    conditions: dict[str, int] = {}
    checks: dict[str, str] = {}
    length: int | None = None
    full: bool = False  # answer with the ACL
    finished: dict[str, Any] = {}
