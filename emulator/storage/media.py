"""An object's bytes as an answer: ranges, stored encodings, the headers that tell of them."""

import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

from emulator.storage import conditions
from emulator.storage.blobs import Reading
from emulator.storage.documents import crc32c_text, md5_text, moment
from emulator.storage.grants import etag
from emulator.storage.messages import Headers, Reply, Request
from emulator.storage.refusals import Refusal, not_modified, precondition_failed
from emulator.storage.storehouse import Storehouse
from emulator.storage.values import Object

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_PASSED_ON: Final = {
    "cacheControl": b"cache-control",
    "contentDisposition": b"content-disposition",
    "contentLanguage": b"content-language",
}
_GZIP: Final = 16 + zlib.MAX_WBITS
_MAGIC: Final = b"\x1f\x8b"
_PIECE: Final = 256 << 10


def serve(storehouse: Storehouse, request: Request, stored: Object) -> Reply:
    """The object, or the range of it that was asked for."""
    _check(request, stored)
    headers = _headers(stored)
    if stored.is_gzip and not _takes_gzip(request, stored):
        reading = storehouse.blobs.read(stored.parts, 0, stored.size)
        headers += [(b"warning", b"214 UploadServer gunzipped"), (b"vary", b"Accept-Encoding")]
        return _reply(request, 200, headers, reading, _unpacked(reading))
    if stored.document.get("contentEncoding"):
        headers.append((b"content-encoding", stored.document["contentEncoding"].encode()))
    headers.append((b"accept-ranges", b"bytes"))
    asked = _asked(request.headers.get("range", ""), stored.size)
    start, end = asked or (0, stored.size)
    headers.append((b"content-length", b"%d" % (end - start)))
    if asked:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, stored.size)))
    reading = storehouse.blobs.read(stored.parts, start, end)
    return _reply(request, 206 if asked else 200, headers, reading, reading)


def _reply(
    request: Request, status: int, headers: Headers, reading: Reading, body: AsyncIterable[bytes]
) -> Reply:
    if request.method == "HEAD":
        reading.close()
        return Reply(status, headers)
    return Reply(status, headers, body, reading.close)


def _check(request: Request, stored: Object) -> None:
    """The preconditions of queries and headers, HTTP's own entity tags among them."""
    tag = f'"{etag(stored.generation, stored.metageneration)}"'
    wanted = conditions.of_params(request.params) | conditions.of_headers(request.headers)
    conditions.check(wanted, stored.metageneration, stored.generation, reading=True)
    matching = request.headers.get("if-match")
    if matching and not _names(matching, tag):
        raise precondition_failed()
    if _names(request.headers.get("if-none-match", ""), tag):
        raise not_modified()


def _names(tags: str, tag: str) -> bool:
    return any(given.strip() in {tag, tag.strip('"'), "*"} for given in tags.split(","))


def _headers(stored: Object) -> Headers:
    document = stored.document
    hashes = f"crc32c={crc32c_text(stored.crc32c)}"
    if stored.md5:
        hashes += f",md5={md5_text(stored.md5)}"
    modified = format_datetime(moment(stored.updated).replace(microsecond=0), usegmt=True)
    headers = [
        (b"content-type", _header(stored.content_type)),
        (b"etag", f'"{etag(stored.generation, stored.metageneration)}"'.encode()),
        (b"last-modified", modified.encode()),
        (b"x-goog-generation", b"%d" % stored.generation),
        (b"x-goog-metageneration", b"%d" % stored.metageneration),
        (b"x-goog-stored-content-encoding", _header(document.get("contentEncoding") or "identity")),
        (b"x-goog-stored-content-length", b"%d" % stored.size),
        (b"x-goog-hash", hashes.encode()),
        (b"x-goog-storage-class", _header(document.get("storageClass", "STANDARD"))),
    ]
    headers += [
        (key, _header(document[name])) for name, key in _PASSED_ON.items() if name in document
    ]
    headers += [
        (b"x-goog-meta-" + _header(name.lower()), _header(value))
        for name, value in document.get("metadata", {}).items()
        if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)
    ]
    return headers


def _header(text: str) -> bytes:
    """What HTTP cannot carry is percent-encoded."""
    return quote(text, safe="".join(map(chr, range(32, 127)))).encode()


def _takes_gzip(request: Request, stored: Object) -> bool:
    if "no-transform" in stored.document.get("cacheControl", ""):
        return True
    accepted = request.headers.get("accept-encoding", "")
    return any(
        coding.partition(";")[0].strip().lower() in {"gzip", "*"}
        for coding in accepted.split(",")
        if not re.search(r";\s*q=0(?:\.0*)?\s*$", coding)
    )


def _asked(text: str, size: int) -> tuple[int, int] | None:
    """The first byte asked for and the one after the last; None for all.

    A range that makes no sense, or several ranges, is as good as none.
    """
    match = _RANGE.fullmatch(text)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
        if not int(last):
            start = size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return None
    if start >= size:
        raise Refusal(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    return start, end


async def _unpacked(packed: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Decompressed on the way; what only says that it is compressed goes out as it is."""
    unpacker: Any = None
    is_plain = False
    async for piece in packed:
        if unpacker is None:
            unpacker = zlib.decompressobj(_GZIP)
            is_plain = not piece.startswith(_MAGIC[: len(piece)])
        if is_plain:
            yield piece
            continue
        left = piece
        while left:
            if unpacker.eof:  # another member follows
                unpacker = zlib.decompressobj(_GZIP)
            content = unpacker.decompress(left, _PIECE)
            left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if content:
                yield content
