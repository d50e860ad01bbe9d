"""Listing a bucket: one scan of the index, with whole folders stepped over."""

import base64
import binascii
from typing import Final

import msgspec

from emulator.storage import glob
from emulator.storage.index import Index
from emulator.storage.values import Object

PAGE: Final = 1000
_SCAN: Final = 10_000  # objects looked at for one page; a shorter page with a token is allowed


class Query(msgspec.Struct, frozen=True):
    """The parameters of a listing, as the JSON API names them."""

    prefix: str = ""
    delimiter: str = ""
    start_offset: str = ""
    end_offset: str = ""
    page_token: str = ""
    max_results: int = PAGE
    trailing_delimiter: bool = False
    match_glob: str = ""


class Page(msgspec.Struct, frozen=True):
    items: list[Object]
    prefixes: list[str]
    next_token: str = ""


def page(index: Index, bucket: str, query: Query) -> Page:
    """One page in the order of UTF-8 bytes; ValueError for a bad token or pattern."""
    return _Scan(index, bucket, query).run()


class _Scan:
    def __init__(self, index: Index, bucket: str, query: Query) -> None:
        self._index = index
        self._bucket = bucket
        self._query = query
        self._prefix = query.prefix.encode()
        self._delimiter = query.delimiter.encode()
        self._pattern = glob.compiled(query.match_glob) if query.match_glob else None
        self._items: list[Object] = []
        self._prefixes: list[str] = []
        self._looked = 0

    def run(self) -> Page:
        query = self._query
        literal = glob.literal_prefix(query.match_glob).encode()
        start = max(
            self._prefix,
            literal,
            query.start_offset.encode(),
            _decode(query.page_token) if query.page_token else b"",
        )
        ends = [after(self._prefix), query.end_offset.encode() or None, after(literal)]
        end = min((bound for bound in ends if bound is not None), default=None)
        where: bytes | None = start
        while where is not None:
            if self._is_full():
                return self._page(self._token(where, end))
            where = self._stretch(where, end)
        return self._page("")

    def _stretch(self, start: bytes, end: bytes | None) -> bytes | None:
        """Take objects up to a folder, a full page or the end; where to go on, None at the end."""
        for found in self._index.objects(self._bucket, start, end):
            name = found.name.encode()
            if self._is_full():
                return name
            self._looked += 1
            folder = self._folder(name)
            if folder is None:
                if self._matches(found.name):
                    self._items.append(found)
                continue
            self._take_folder(found, folder)
            beyond = after(folder)
            return None if beyond is None or (end is not None and beyond >= end) else beyond
        return None

    def _folder(self, name: bytes) -> bytes | None:
        if not self._delimiter:
            return None
        at = name.find(self._delimiter, len(self._prefix))
        return None if at < 0 else name[: at + len(self._delimiter)]

    def _take_folder(self, found: Object, folder: bytes) -> None:
        text = folder.decode()
        if self._matches(text):
            self._prefixes.append(text)
        if self._query.trailing_delimiter and found.name == text and self._matches(text):
            self._items.append(found)

    def _matches(self, name: str) -> bool:
        return self._pattern is None or self._pattern.fullmatch(name) is not None

    def _is_full(self) -> bool:
        taken = len(self._items) + len(self._prefixes)
        return taken >= self._query.max_results or self._looked >= _SCAN

    def _token(self, where: bytes, end: bytes | None) -> str:
        """Nothing, where nothing follows."""
        if next(self._index.objects(self._bucket, where, end), None) is None:
            return ""
        return base64.urlsafe_b64encode(where).decode()

    def _page(self, token: str) -> Page:
        return Page(self._items, self._prefixes, token)


def after(prefix: bytes) -> bytes | None:
    """The first name behind all that begin with ``prefix``; None if there is none."""
    shortened = prefix.rstrip(b"\xff")
    return shortened[:-1] + bytes([shortened[-1] + 1]) if shortened else None


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("Invalid page token.") from error
