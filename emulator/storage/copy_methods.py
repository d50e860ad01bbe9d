"""Objects made of objects: rewrite, copy, move and compose. No byte is copied."""

from typing import Any, Final

from emulator.storage import conditions, grants, object_methods
from emulator.storage.digests import combined_crc32c
from emulator.storage.documents import object_document
from emulator.storage.messages import Reply, Request
from emulator.storage.refusals import invalid, no_object, required
from emulator.storage.storehouse import Content, Storehouse, settable
from emulator.storage.values import Bucket, Object

_MOST_SOURCES: Final = 32


async def rewrite(
    storehouse: Storehouse, request: Request, bucket: str, name: str, to_bucket: str, to_name: str
) -> Reply:
    stored = await _copied(storehouse, request, (bucket, name), (to_bucket, to_name))
    project = storehouse.project_of(to_bucket)
    return Reply.json(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(stored.size),
            "objectSize": str(stored.size),
            "done": True,
            "resource": object_document(stored, request.links, project, full=request.is_full),
        }
    )


async def copy(
    storehouse: Storehouse, request: Request, bucket: str, name: str, to_bucket: str, to_name: str
) -> Reply:
    stored = await _copied(storehouse, request, (bucket, name), (to_bucket, to_name))
    return object_methods.reply(storehouse, request, stored, full=request.is_full)


async def move(
    storehouse: Storehouse, request: Request, bucket: str, name: str, to_name: str
) -> Reply:
    """Rename within a bucket: the new object is there and the old one gone, both or neither."""
    source = storehouse.object(request, bucket, name, "storage.objects.delete")
    holder = storehouse.target(request, bucket, to_name)
    _check_source(request, source)
    with storehouse.index.transaction():
        wanted = conditions.of_params(request.params)
        stored = storehouse.create(holder, to_name, _content(source), source.document, wanted)
        if name != to_name:
            storehouse.index.delete(bucket, name)
    return object_methods.reply(storehouse, request, stored, full=request.is_full)


async def compose(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Reply:
    body = await request.document()
    holder = storehouse.target(request, bucket, name)
    entries = body.get("sourceObjects")
    if not isinstance(entries, list) or not entries:
        raise required("sourceObjects")
    if len(entries) > _MOST_SOURCES:
        raise invalid(
            "The number of source components provided "
            f"({len(entries)}) exceeds the maximum ({_MOST_SOURCES})"
        )
    sources = [_component(storehouse, request, bucket, entry) for entry in entries]
    destination = body.get("destination") or {}
    if not isinstance(destination, dict):
        raise invalid("Invalid value for destination.")
    document = settable(destination)
    document.setdefault("contentType", sources[0].content_type)
    document["componentCount"] = sum(source.document.get("componentCount", 1) for source in sources)
    _predefined(document, request, holder)
    crc32c = 0
    for source in sources:
        crc32c = combined_crc32c(crc32c, source.crc32c, source.size)
    content = Content(
        parts=tuple(part for source in sources for part in source.parts),
        size=sum(source.size for source in sources),
        crc32c=crc32c,
        md5=b"",
    )
    wanted = conditions.of_params(request.params)
    stored = storehouse.create(holder, name, content, document, wanted)
    return object_methods.reply(storehouse, request, stored, full=request.is_full)


async def _copied(
    storehouse: Storehouse, request: Request, source_at: tuple[str, str], to: tuple[str, str]
) -> Object:
    change = await request.document()
    source = _source(storehouse, request, *source_at)
    return copied(storehouse, request, source, to, change or None)


def copied(
    storehouse: Storehouse,
    request: Request,
    source: Object,
    to: tuple[str, str],
    change: dict[str, Any] | None,
) -> Object:
    """Metadata of the source, unless ``change`` replaces it."""
    holder = storehouse.target(request, *to)
    _check_source(request, source)
    kept = {name: value for name, value in source.document.items() if name != "acl"}
    document = kept if change is None else settable(change)
    if change is not None:
        document.setdefault("contentType", source.content_type)
        if "componentCount" in kept:
            document["componentCount"] = kept["componentCount"]
    _predefined(document, request, holder)
    wanted = conditions.of_params(request.params) | conditions.of_headers(request.headers)
    return storehouse.create(holder, to[1], _content(source), document, wanted)


def _source(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Object:
    source = storehouse.object(request, bucket, name, "storage.objects.get")
    generation = request.params.get("sourceGeneration")
    if generation is not None and generation != str(source.generation):
        raise no_object(bucket, name)
    return source


def _check_source(request: Request, source: Object) -> None:
    wanted = conditions.of_params(request.params, "ifSource")
    conditions.check(wanted, source.metageneration, source.generation)


def _component(storehouse: Storehouse, request: Request, bucket: str, entry: Any) -> Object:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise required("sourceObjects.name")
    source = storehouse.object(request, bucket, entry["name"], "storage.objects.get")
    generation = entry.get("generation")
    if generation is not None and str(generation) != str(source.generation):
        raise no_object(bucket, entry["name"])
    wanted = (entry.get("objectPreconditions") or {}).get("ifGenerationMatch")
    if wanted is not None:
        number = conditions.number(str(wanted), "ifGenerationMatch")
        conditions.check({"ifGenerationMatch": number}, source.metageneration, source.generation)
    return source


def _predefined(document: dict[str, Any], request: Request, holder: Bucket) -> None:
    if chosen := request.params.get("destinationPredefinedAcl"):
        document["acl"] = grants.predefined(chosen, holder.project)


def _content(source: Object) -> Content:
    return Content(source.parts, source.size, source.crc32c, source.md5)
