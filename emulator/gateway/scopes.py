"""From a request's head and its surroundings to what routing and applications want to know."""

from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.types import Scope

from emulator.cluster import Network
from emulator.gateway import heads
from emulator.gateway.routes import Asked

_PORTS: Final = {"http": 80, "https": 443}
_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}


class Surroundings(msgspec.Struct, frozen=True):
    """The connection of a request. ``host`` and ``port`` serve a request that names no host."""

    network: Network
    secure: bool
    host: str
    port: int
    peer: tuple[str, int] | None


class Request(msgspec.Struct, frozen=True):
    """A request on its way to an application."""

    asked: Asked
    scope: Scope


def read(head: heads.Head, surroundings: Surroundings) -> Request:
    """Take an origin-form or absolute-form request apart; the latter's host wins."""
    scheme = "https" if surroundings.secure else "http"
    headers = head.headers
    target = head.target
    proxied = not target.startswith(b"/")
    if proxied:
        scheme, named, target = _absolute(target)
        headers = [(b"host", named), *(field for field in headers if field[0] != b"host")]
    else:
        named = head.get(b"host") or _authority(surroundings)
        if not head.get(b"host"):
            headers = [(b"host", named), *headers]
    host, port = heads.authority(named.decode("latin-1"), _PORTS[scheme])
    raw_path, _, query = target.partition(b"?")
    path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
    scope = {
        "type": "http",
        "asgi": _ASGI,
        "http_version": head.version,
        "method": head.method,
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "server": (host, port),
        "client": surroundings.peer,
        "identity": surroundings.network.identity,
    }
    origin = head.get(b"origin").decode("latin-1")
    asked = Asked(host, port, raw_path.decode("latin-1"), origin, proxied)
    return Request(asked, scope)


def _absolute(target: bytes) -> tuple[str, bytes, bytes]:
    """``scheme://authority/path?query`` → its three parts."""
    scheme, separator, rest = target.partition(b"://")
    kind = scheme.lower().decode("latin-1")
    if not separator or kind not in _PORTS:
        raise heads.Malformed("The target of the request is neither a path nor an http address.")
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    named, path = rest[:end].rpartition(b"@")[2], rest[end:]
    if not named:
        raise heads.Malformed("The target of the request names no host.")
    return kind, named, path if path.startswith(b"/") else b"/" + path


def _authority(surroundings: Surroundings) -> bytes:
    port = f":{surroundings.port}" if surroundings.port not in {0, 80, 443} else ""
    return f"{surroundings.host}{port}".encode("latin-1")
