"""The JSON API's methods on objects: get, list, patch, update, delete."""

from typing import Any

from emulator.storage import conditions, grants, listing, media
from emulator.storage.documents import object_document
from emulator.storage.messages import Reply, Request
from emulator.storage.refusals import invalid
from emulator.storage.storehouse import Storehouse, patched, settable
from emulator.storage.values import Object


async def get(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Reply:
    stored = storehouse.object(request, bucket, name, "storage.objects.get")
    if request.params.get("alt") == "media":
        return media.serve(storehouse, request, stored)
    wanted = conditions.of_params(request.params)
    conditions.check(wanted, stored.metageneration, stored.generation, reading=True)
    return reply(storehouse, request, stored, full=request.is_full)


async def download(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Reply:
    """``/download/…``: the bytes with ``alt=media``, as ever the resource without."""
    return await get(storehouse, request, bucket, name)


async def list_(storehouse: Storehouse, request: Request, bucket: str) -> Reply:
    holder = storehouse.bucket(request, bucket, "storage.objects.list")
    try:
        page = listing.page(storehouse.index, bucket, query(request))
    except ValueError as error:
        raise invalid(str(error)) from error
    document: dict[str, Any] = {"kind": "storage#objects"}
    if page.next_token:
        document["nextPageToken"] = page.next_token
    if page.prefixes:
        document["prefixes"] = page.prefixes
    if page.items:
        document["items"] = [
            object_document(stored, request.links, holder.project, full=request.is_full)
            for stored in page.items
        ]
    return Reply.json(document)


def query(request: Request) -> listing.Query:
    params = request.params
    size = conditions.number(params.get("maxResults") or str(listing.PAGE), "maxResults")
    if size < 0:
        raise invalid(f"Invalid value for maxResults: '{size}'")
    return listing.Query(
        prefix=params.get("prefix", ""),
        delimiter=params.get("delimiter", ""),
        start_offset=params.get("startOffset", ""),
        end_offset=params.get("endOffset", ""),
        page_token=params.get("pageToken", ""),
        max_results=min(size or listing.PAGE, listing.PAGE),
        trailing_delimiter=request.flag("includeTrailingDelimiter"),
        match_glob=params.get("matchGlob", ""),
    )


async def patch(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Reply:
    change = await request.document()
    stored = _to_change(storehouse, request, bucket, name)
    return _changed(storehouse, request, stored, patched(stored.document, change))


async def update(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Reply:
    change = await request.document()
    stored = _to_change(storehouse, request, bucket, name)
    document = settable(change)
    if "acl" in stored.document:
        document.setdefault("acl", stored.document["acl"])
    return _changed(storehouse, request, stored, document)


async def delete(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Reply:
    stored = storehouse.object(request, bucket, name, "storage.objects.delete")
    wanted = conditions.of_params(request.params)
    conditions.check(wanted, stored.metageneration, stored.generation)
    storehouse.delete(stored)
    return Reply(204)


def reply(storehouse: Storehouse, request: Request, stored: Object, *, full: bool) -> Reply:
    """The resource of an object."""
    project = storehouse.project_of(stored.bucket)
    return Reply.json(object_document(stored, request.links, project, full=full))


def _to_change(storehouse: Storehouse, request: Request, bucket: str, name: str) -> Object:
    stored = storehouse.object(request, bucket, name, "storage.objects.update")
    wanted = conditions.of_params(request.params)
    conditions.check(wanted, stored.metageneration, stored.generation)
    return stored


def _changed(
    storehouse: Storehouse, request: Request, stored: Object, document: dict[str, Any]
) -> Reply:
    if chosen := request.params.get("predefinedAcl"):
        document["acl"] = grants.predefined(chosen, storehouse.project_of(stored.bucket))
    written = storehouse.update(stored, document)
    full = request.params.get("projection", "full") == "full"
    return reply(storehouse, request, written, full=full)
