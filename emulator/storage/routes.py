"""Which path of the JSON API leads to which method."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from emulator.storage import (
    access_methods,
    bucket_methods,
    copy_methods,
    object_methods,
)
from emulator.storage.messages import Reply, Request
from emulator.storage.refusals import invalid, no_path, not_served
from emulator.storage.storehouse import Storehouse
from emulator.storage.upload_methods import Uploads

Method = Callable[..., Awaitable[Reply]]

_API: Final = re.compile(
    r"/(?:resumable/)?(?:(?P<kind>upload|download|batch)/)?storage/v1(?:beta\d)?(?:/|$)"
)
_SHORT: Final = re.compile(r"/(?:(?P<kind>upload|download)/)?b(?=/|$)")
_EMPTY_LISTS: Final = "managedFolders|folders|notificationConfigs|anywhereCaches"


class Target(msgspec.Struct, frozen=True):
    """A path of the JSON API: ``kind`` is empty, upload, download or batch."""

    kind: str
    rest: str


def target(path: str, *, short: bool) -> Target | None:
    """Read an undecoded path; None if it is not the JSON API's.

    ``short`` takes paths that begin with ``/b/`` too.
    """
    if match := _API.match(path):
        return Target(match["kind"] or "", path[match.end() :])
    if path.rstrip("/") == "/batch":
        return Target("batch", "")
    if short and (match := _SHORT.match(path)):
        return Target(match["kind"] or "", "b" + path[match.end() :])
    return None


class Routes:
    """``{}`` in a template takes one undecoded segment."""

    def __init__(self, storehouse: Storehouse, uploads: Uploads) -> None:
        self._storehouse = storehouse
        self._plain = _compiled(
            ("b", {"GET": bucket_methods.list_, "POST": bucket_methods.insert}),
            ("b/{}", _changing(bucket_methods)),
            ("b/{}/o", {"GET": object_methods.list_, "POST": uploads.insert}),
            ("b/{}/o/{}", _changing(object_methods)),
            ("b/{}/o/{}/rewriteTo/b/{}/o/{}", {"POST": copy_methods.rewrite}),
            ("b/{}/o/{}/copyTo/b/{}/o/{}", {"POST": copy_methods.copy}),
            ("b/{}/o/{}/moveTo/o/{}", {"POST": copy_methods.move}),
            ("b/{}/o/{}/compose", {"POST": copy_methods.compose}),
            ("b/{}/o/{}/acl", _listing(access_methods.object_acl)),
            ("b/{}/o/{}/acl/{}", _entry(access_methods.object_acl)),
            ("b/{}/o/{}/iam", _listing(access_methods.object_policy, "PUT")),
            ("b/{}/o/{}/iam/testPermissions", {"GET": access_methods.permissions}),
            ("b/{}/acl", _listing(_of_bucket("acl"))),
            ("b/{}/acl/{}", _entry(_of_bucket("acl"))),
            ("b/{}/defaultObjectAcl", _listing(_of_bucket("defaultObjectAcl"))),
            ("b/{}/defaultObjectAcl/{}", _entry(_of_bucket("defaultObjectAcl"))),
            ("b/{}/iam", _listing(access_methods.policy, "PUT")),
            ("b/{}/iam/testPermissions", {"GET": access_methods.permissions}),
            ("b/{}/storageLayout", {"GET": bucket_methods.storage_layout}),
            (f"b/{{}}/({_EMPTY_LISTS})", {"GET": bucket_methods.nothing}),
            ("projects/{}/serviceAccount", {"GET": bucket_methods.service_account}),
        )
        self._upload = _compiled(
            ("b/{}/o", dict.fromkeys(("POST", "PUT", "DELETE"), uploads.insert))
        )

    async def answer(self, request: Request, where: Target) -> Reply:
        """Find the method and call it; the refusals are its own."""
        table = self._upload if where.kind == "upload" else self._plain
        for pattern, methods in table:
            if match := pattern.fullmatch(where.rest.rstrip("/")):
                method = methods.get(_verb(request))
                if method is None:
                    raise not_served(request.method, request.path)
                segments = [decoded(segment) for segment in match.groups()]
                return await method(self._storehouse, request, *segments)
        raise no_path(request.path)


def _verb(request: Request) -> str:
    """Old clients send a PATCH as a POST with a header."""
    if request.method == "POST":
        return request.headers.get("x-http-method-override", "POST").upper()
    return "GET" if request.method == "HEAD" else request.method


def decoded(segment: str) -> str:
    """Undo percent-encoding, once."""
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise invalid(f"The path is not UTF-8: {segment}") from None


def _compiled(
    *table: tuple[str, dict[str, Method]],
) -> Sequence[tuple[re.Pattern[str], dict[str, Method]]]:
    return [(re.compile(template.replace("{}", "([^/]+)")), methods) for template, methods in table]


def _changing(module: Any) -> dict[str, Method]:
    return {
        "GET": module.get,
        "PATCH": module.patch,
        "PUT": module.update,
        "DELETE": module.delete,
    }


def _listing(method: Method, change: str = "POST") -> dict[str, Method]:
    return {"GET": method, change: method}


def _entry(method: Method) -> dict[str, Method]:
    return dict.fromkeys(("GET", "PUT", "PATCH", "DELETE"), method)


def _of_bucket(field: access_methods.Field) -> Method:
    async def method(
        storehouse: Storehouse, request: Request, name: str, entity: str = ""
    ) -> Reply:
        return await access_methods.bucket_acl(storehouse, request, name, field, entity)

    return method
