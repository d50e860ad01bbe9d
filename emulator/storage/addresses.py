"""Which bucket and object the address of a request names, in either API's way."""

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from emulator.storage import routes

HOST: Final = re.compile(
    r"(?:(?P<bucket>[a-z0-9._-]+)\.)?"
    r"(?:storage|storage-(?:up|down)load|commondatastorage)\.googleapis\.com"
)
_NAMED: Final = re.compile(r"b/(?P<bucket>[^/]+)(?:/o/(?P<object>[^/]+))?(?:/.*)?")


class Address(msgspec.Struct, frozen=True):
    """Empty is what the address does not name."""

    bucket: str = ""
    object: str = ""
    is_xml: bool = False


def address(host: str, path: str) -> Address:
    """Read a host without its port and an undecoded path."""
    known = HOST.fullmatch(host.lower())
    where = routes.target(path, short=known is None)
    bucket = (known and known["bucket"]) or ""
    if where is None or bucket:
        name = path.removeprefix("/")
        if not bucket:
            bucket, _, name = name.partition("/")
        return Address(unquote(bucket), unquote(name), is_xml=True)
    if found := _NAMED.fullmatch(where.rest):
        return Address(unquote(found["bucket"]), unquote(found["object"] or ""))
    return Address()
