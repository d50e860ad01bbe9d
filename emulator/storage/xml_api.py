"""The XML API: ``/BUCKET/OBJECT`` on Cloud Storage's own hosts."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, SubElement, tostring

from emulator.storage import (
    bucket_methods,
    conditions,
    copy_methods,
    grants,
    listing,
    media,
)
from emulator.storage.documents import crc32c_text, md5_text, timestamp
from emulator.storage.messages import Headers, Reply, Request
from emulator.storage.refusals import Refusal, invalid, not_served
from emulator.storage.storehouse import Storehouse
from emulator.storage.upload_methods import Uploads
from emulator.storage.values import Object

_NAMESPACE: Final = "http://doc.s3.amazonaws.com/2006-03-01"
_XML: Final = (b"content-type", b"application/xml; charset=UTF-8")
_META: Final = "x-goog-meta-"
_PASSED_ON: Final = {
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "content-type": "contentType",
}
_UNSERVED: Final = frozenset(
    {"acl", "cors", "encryption", "lifecycle", "logging", "uploads", "uploadId", "website"}
)


class XmlApi:
    """Answers requests whose path names a bucket and an object, and nothing else."""

    def __init__(self, storehouse: Storehouse, uploads: Uploads) -> None:
        self._storehouse = storehouse
        self._uploads = uploads
        self._on_object: Mapping[str, Callable[[Request, str, str], Awaitable[Reply]]] = {
            "GET": self._get,
            "HEAD": self._get,
            "PUT": self._put,
            "POST": self._begin,
            "DELETE": self._delete,
        }
        self._on_bucket: Mapping[str, Callable[[Request, str], Awaitable[Reply]]] = {
            "GET": self._list,
            "HEAD": self._list,
            "PUT": self._create_bucket,
            "DELETE": self._delete_bucket,
        }

    async def answer(self, request: Request, bucket: str, name: str) -> Reply:
        """``bucket`` and ``name`` are decoded; either may be empty."""
        try:
            return await self._answer(request, bucket, name)
        except Refusal as refusal:
            if refusal.status == 304:  # noqa: PLR2004 it has no body
                return Reply(304)
            body = b"" if request.method == "HEAD" else refusal.xml()
            return Reply(refusal.status, [_XML], body)

    async def _answer(self, request: Request, bucket: str, name: str) -> Reply:
        if unserved := _UNSERVED.intersection(request.params):
            raise Refusal(501, "notImplemented", f"?{min(unserved)} is not served.")
        if not bucket:
            return await self._service(request)
        if name:
            on_object = self._on_object.get(request.method)
            if on_object is None:
                raise not_served(request.method, request.path)
            return await on_object(request, bucket, name)
        on_bucket = self._on_bucket.get(request.method)
        if on_bucket is None:
            raise not_served(request.method, request.path)
        return await on_bucket(request, bucket)

    async def _get(self, request: Request, bucket: str, name: str) -> Reply:
        stored = self._storehouse.object(request, bucket, name, "storage.objects.get")
        return media.serve(self._storehouse, request, stored)

    async def _put(self, request: Request, bucket: str, name: str) -> Reply:
        if "upload_id" in request.params:
            return await self._uploads.continue_(request)
        if source := request.headers.get("x-goog-copy-source"):
            return await self._copy(request, source, (bucket, name))
        holder = self._storehouse.target(request, bucket, name)
        document = _metadata(request.headers)
        if chosen := request.headers.get("x-goog-acl"):
            document["acl"] = grants.predefined(chosen, holder.project)
        wanted = conditions.of_params(request.params) | conditions.of_headers(request.headers)
        stored = await self._uploads.store(request, holder, name, request.body(), document, wanted)
        return Reply(200, _tags(stored))

    async def _begin(self, request: Request, bucket: str, name: str) -> Reply:
        """Open a session, as signed URLs do."""
        if request.headers.get("x-goog-resumable", "").lower() != "start":
            raise invalid("A POST to an object needs the header x-goog-resumable: start.")
        holder = self._storehouse.target(request, bucket, name)
        session_id = self._uploads.begin(request, holder, name, _metadata(request.headers))
        where = f"{request.origin}/{bucket}/{quote(name)}?upload_id={session_id}"
        if request.host.partition(":")[0].startswith(f"{bucket}."):
            where = f"{request.origin}/{quote(name)}?upload_id={session_id}"
        return Reply(201, [(b"location", where.encode())])

    async def _copy(self, request: Request, source_path: str, to: tuple[str, str]) -> Reply:
        bucket, _, name = unquote(source_path).lstrip("/").partition("/")
        source = self._storehouse.object(request, bucket, name, "storage.objects.get")
        replaces = request.headers.get("x-goog-metadata-directive", "COPY").upper() == "REPLACE"
        change = _metadata(request.headers) if replaces else None
        stored = copy_methods.copied(self._storehouse, request, source, to, change)
        result = Element("CopyObjectResult")
        SubElement(result, "LastModified").text = timestamp(stored.updated)
        SubElement(result, "ETag").text = f'"{_etag(stored)}"'
        return _document(result)

    async def _delete(self, request: Request, bucket: str, name: str) -> Reply:
        stored = self._storehouse.object(request, bucket, name, "storage.objects.delete")
        wanted = conditions.of_params(request.params) | conditions.of_headers(request.headers)
        conditions.check(wanted, stored.metageneration, stored.generation)
        self._storehouse.delete(stored)
        return Reply(204)

    async def _list(self, request: Request, bucket: str) -> Reply:
        found = self._storehouse.bucket(request, bucket, "storage.objects.list")
        if "location" in request.params:
            root = Element("LocationConstraint")
            root.text = found.document["location"]
            return _document(root)
        if "versioning" in request.params:
            return _document(Element("VersioningConfiguration"))
        params = request.params
        token = params.get("continuation-token", "")
        query = listing.Query(
            prefix=params.get("prefix", ""),
            delimiter=params.get("delimiter", ""),
            page_token=token,
            start_offset=_behind(
                params.get("marker") or params.get("start-after", ""), params.get("delimiter", "")
            ),
            max_results=_most(params.get("max-keys")),
        )
        try:
            page = listing.page(self._storehouse.index, bucket, query)
        except ValueError as error:
            raise invalid(str(error)) from error
        return _document(_listed(bucket, params, query, page))

    async def _create_bucket(self, request: Request, bucket: str) -> Reply:
        await request.drain()
        project = self._storehouse.project_id(request)
        bucket_methods.create(self._storehouse, request, bucket, project, {})
        return Reply(200)

    async def _delete_bucket(self, request: Request, bucket: str) -> Reply:
        return await bucket_methods.delete(self._storehouse, request, bucket)

    async def _service(self, request: Request) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            raise not_served(request.method, request.path)
        project = self._storehouse.project_id(request)
        root = Element("ListAllMyBucketsResult", xmlns=_NAMESPACE)
        buckets = SubElement(root, "Buckets")
        for found in self._storehouse.index.buckets(
            project=project, prefix="", after="", limit=listing.PAGE
        ):
            entry = SubElement(buckets, "Bucket")
            SubElement(entry, "Name").text = found.name
            SubElement(entry, "CreationDate").text = timestamp(found.created)
        return _document(root)


def _listed(
    bucket: str, params: Mapping[str, str], query: listing.Query, page: listing.Page
) -> Element:
    root = Element("ListBucketResult", xmlns=_NAMESPACE)
    SubElement(root, "Name").text = bucket
    SubElement(root, "Prefix").text = query.prefix
    if query.delimiter:
        SubElement(root, "Delimiter").text = query.delimiter
    SubElement(root, "MaxKeys").text = str(query.max_results)
    SubElement(root, "IsTruncated").text = "true" if page.next_token else "false"
    last = max([*page.prefixes[-1:], *(item.name for item in page.items[-1:])], default="")
    if page.next_token and params.get("list-type") == "2":
        SubElement(root, "NextContinuationToken").text = page.next_token
    elif page.next_token:
        SubElement(root, "NextMarker").text = last
    for stored in page.items:
        entry = SubElement(root, "Contents")
        SubElement(entry, "Key").text = stored.name
        SubElement(entry, "Generation").text = str(stored.generation)
        SubElement(entry, "MetaGeneration").text = str(stored.metageneration)
        SubElement(entry, "LastModified").text = timestamp(stored.updated)
        SubElement(entry, "ETag").text = f'"{_etag(stored)}"'
        SubElement(entry, "Size").text = str(stored.size)
    for prefix in page.prefixes:
        SubElement(SubElement(root, "CommonPrefixes"), "Prefix").text = prefix
    return root


def _metadata(headers: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        name: headers[header] for header, name in _PASSED_ON.items() if header in headers
    }
    custom = {
        name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)
    }
    if custom:
        document["metadata"] = custom
    return document


def _tags(stored: Object) -> Headers:
    hashes = f"crc32c={crc32c_text(stored.crc32c)},md5={md5_text(stored.md5)}"
    return [
        (b"etag", f'"{_etag(stored)}"'.encode()),
        (b"x-goog-generation", b"%d" % stored.generation),
        (b"x-goog-metageneration", b"%d" % stored.metageneration),
        (b"x-goog-hash", hashes.encode()),
        (b"x-goog-stored-content-length", b"%d" % stored.size),
    ]


def _etag(stored: Object) -> str:
    return grants.etag(stored.generation, stored.metageneration)


def _behind(marker: str, delimiter: str) -> str:
    """The first name after a marker; a marker that is a folder stands for all that is in it."""
    if marker and delimiter and marker.endswith(delimiter):
        return marker[:-1] + chr(ord(marker[-1]) + 1)
    return marker + "\0" if marker else ""


def _most(text: str | None) -> int:
    size = conditions.number(text, "max-keys") if text else listing.PAGE
    return max(0, min(size, listing.PAGE)) or listing.PAGE


def _document(root: Element) -> Reply:
    body = b"<?xml version='1.0' encoding='UTF-8'?>" + tostring(root, "utf-8")
    return Reply(200, [_XML], body)
