"""Everything that is stored: buckets and objects, found and made under the rules."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from emulator.projects import number_of
from emulator.storage import access, conditions, grants
from emulator.storage.blobs import Blobs
from emulator.storage.conditions import Conditions
from emulator.storage.index import Index
from emulator.storage.messages import Request
from emulator.storage.naming import check_object
from emulator.storage.refusals import invalid, no_bucket, no_object
from emulator.storage.values import Bucket, Object, Part

_TEXTS: Final = frozenset(
    {
        "cacheControl",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contentType",
        "customTime",
        "storageClass",
    }
)
SETTABLE: Final = _TEXTS | {
    "acl",
    "contexts",
    "eventBasedHold",
    "metadata",
    "retention",
    "temporaryHold",
}


class Content(msgspec.Struct, frozen=True):
    """What an object is made of, stored already."""

    parts: tuple[Part, ...]
    size: int
    crc32c: int
    md5: bytes


class Storehouse:
    """The index and the blobs together."""

    def __init__(self, index: Index, blobs: Blobs) -> None:
        self.index = index
        self.blobs = blobs

    def bucket(self, request: Request, name: str, permission: str) -> Bucket:
        """A bucket that is there and may be used so."""
        bucket = self.index.bucket(name)
        if bucket is None:
            raise no_bucket()
        access.check_bucket(request.identity, bucket, permission)
        return bucket

    def target(self, request: Request, bucket: str, name: str) -> Bucket:
        """The bucket of an object that is to be written."""
        found = self.bucket(request, bucket, "storage.objects.create")
        check_object(name)
        return found

    def object(self, request: Request, bucket: str, name: str, permission: str) -> Object:
        """An object that is there, has the asked generation and may be used so."""
        holder = self.index.bucket(bucket)
        if holder is None:
            raise no_bucket()
        stored = self.index.object(bucket, check_object(name))
        access.check_object(request.identity, holder, permission, stored)
        generation = request.params.get("generation")
        if stored is None or not (generation is None or generation == str(stored.generation)):
            raise no_object(bucket, name)
        return stored

    def project_id(self, request: Request) -> str:
        """The project of a request, also where the client names it by its number."""
        given = request.params.get("project") or request.headers.get("x-goog-project-id", "")
        if not given.isdecimal():
            return given or request.identity.project
        known = [request.identity.project, *self.index.projects()]
        return next((name for name in known if str(number_of(name)) == given), given)

    def project_of(self, bucket: str) -> str:
        found = self.index.bucket(bucket)
        return found.project if found else ""

    def create(
        self,
        bucket: Bucket,
        name: str,
        content: Content,
        document: Mapping[str, Any],
        wanted: Conditions,
    ) -> Object:
        """Make an object live: one insert, after all that it is made of is stored."""
        with self.index.transaction():
            if self.index.bucket(bucket.name) is None:  # deleted since the upload began
                raise no_bucket()
            replaced = self.index.object(bucket.name, name)
            _check(wanted, replaced)
            defaults = bucket.document.get("defaultObjectAcl")
            acl = {"acl": defaults} if defaults is not None else {}
            stored = self.index.put(
                Object(
                    bucket=bucket.name,
                    name=name,
                    generation=0,
                    metageneration=1,
                    size=content.size,
                    crc32c=content.crc32c,
                    md5=content.md5,
                    created=0,
                    updated=0,
                    parts=content.parts,
                    document={**acl, **document},
                )
            )
        self.discard(replaced)
        return stored

    def check(self, bucket: str, name: str, wanted: Conditions) -> None:
        """Preconditions on the object that is live now, if any."""
        if wanted:
            _check(wanted, self.index.object(bucket, name))

    def update(self, stored: Object, document: dict[str, Any]) -> Object:
        return self.index.update(msgspec.structs.replace(stored, document=document))

    def delete(self, stored: Object) -> None:
        self.index.delete(stored.bucket, stored.name)
        self.discard(stored)

    def discard(self, *gone: Object | None) -> None:
        """Delete the bytes of objects that are no more, unless others share them."""
        for stored in gone:
            if stored is not None:
                self.blobs.collect([part.id for part in stored.parts])


def _check(wanted: Conditions, live: Object | None) -> None:
    conditions.check(wanted, live.metageneration if live else 0, live.generation if live else 0)


def settable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of an object's metadata as a client sends it, what a client may set."""
    found = {
        name: _value(name, value)
        for name, value in document.items()
        if name in SETTABLE and value is not None
    }
    if not found.get("metadata", True):
        del found["metadata"]
    return found


def patched(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with a patch applied: null removes, custom metadata is merged."""
    after = dict(before)
    for name, value in change.items():
        if name not in SETTABLE:
            continue
        if value is None:
            after.pop(name, None)
        elif name == "metadata":
            after[name] = _merged(before.get(name, {}), value)
        else:
            after[name] = _value(name, value)
    if not after.get("metadata", True):
        del after["metadata"]
    return after


def _merged(before: Mapping[str, str], change: Any) -> dict[str, str]:
    if not isinstance(change, dict):
        raise invalid("Invalid value for metadata.")
    merged = {**before, **change}
    return {name: str(value) for name, value in merged.items() if value is not None}


def _value(name: str, value: Any) -> Any:
    if name == "metadata":
        return _merged({}, value)
    if name == "acl":
        return grants.given(value, name)
    if name in _TEXTS and not isinstance(value, str):
        raise invalid(f"Invalid value for {name}.")
    if name == "contentEncoding" and not value:
        return ""
    return value
