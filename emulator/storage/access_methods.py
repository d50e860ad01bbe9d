"""The JSON API's methods on access: control lists and IAM policies."""

import base64
from typing import Any, Final, Literal

import msgspec

from emulator.storage import conditions, grants
from emulator.storage.grants import JSON
from emulator.storage.messages import Reply, Request
from emulator.storage.refusals import Refusal, invalid
from emulator.storage.storehouse import Storehouse
from emulator.storage.values import Bucket

Field = Literal["acl", "defaultObjectAcl"]

_ROLES: Final = {
    "OWNER": "roles/storage.legacyBucketOwner",
    "READER": "roles/storage.legacyBucketReader",
}


async def bucket_acl(
    storehouse: Storehouse, request: Request, name: str, field: Field, entity: str = ""
) -> Reply:
    """``…/acl`` and ``…/defaultObjectAcl``, with the entity or without."""
    bucket = storehouse.bucket(request, name, f"storage.buckets.{_verb(request)}")
    shown = grants.of_bucket if field == "acl" else grants.default_of_bucket
    plain = grants.bucket_grants if field == "acl" else grants.default_grants
    kind = "bucketAccessControls" if field == "acl" else "objectAccessControls"
    if request.method == "GET":
        return _shown(shown(bucket), entity, kind)
    conditions.check(conditions.of_params(request.params), bucket.metageneration)
    entity, changed = _changed(plain(bucket), request.method, entity, await request.document())
    document = {**bucket.document, field: changed}
    written = storehouse.index.replace_bucket(msgspec.structs.replace(bucket, document=document))
    return Reply(204) if request.method == "DELETE" else _shown(shown(written), entity, kind)


async def object_acl(
    storehouse: Storehouse, request: Request, name: str, object_name: str, entity: str = ""
) -> Reply:
    """``…/o/NAME/acl``, with the entity or without."""
    permission = f"storage.objects.{_verb(request)}"
    body = {} if request.method == "GET" else await request.document()
    stored = storehouse.object(request, name, object_name, permission)
    project = storehouse.project_of(name)
    if request.method == "GET":
        return _shown(grants.of_object(stored, project), entity, "objectAccessControls")
    before = grants.object_grants(stored, project)
    entity, changed = _changed(before, request.method, entity, body)
    written = storehouse.update(stored, {**stored.document, "acl": changed})
    if request.method == "DELETE":
        return Reply(204)
    return _shown(grants.of_object(written, project), entity, "objectAccessControls")


async def policy(storehouse: Storehouse, request: Request, name: str) -> Reply:
    """GET and PUT of a bucket's IAM policy."""
    if request.method == "GET":
        bucket = storehouse.bucket(request, name, "storage.buckets.getIamPolicy")
        return Reply.json(_policy(bucket))
    body = await request.document()
    bucket = storehouse.bucket(request, name, "storage.buckets.setIamPolicy")
    bindings = body.get("bindings", [])
    if not isinstance(bindings, list) or not all(map(_is_binding, bindings)):
        raise invalid("Invalid value for bindings.")
    if body.get("etag") not in {None, "", _etag(bucket)}:
        raise Refusal(412, "conditionNotMet", "The policy was changed by somebody else.")
    stored = {"bindings": bindings, "version": body.get("version", 1)}
    written = storehouse.index.replace_bucket(msgspec.structs.replace(bucket, policy=stored))
    return Reply.json(_policy(written))


async def object_policy(
    storehouse: Storehouse, request: Request, name: str, object_name: str
) -> Reply:
    """An object has no policy of its own that could be changed."""
    stored = storehouse.object(request, name, object_name, "storage.objects.getIamPolicy")
    if request.method != "GET":
        raise invalid("The emulator keeps IAM policies of buckets only.")
    return Reply.json(
        {
            "kind": "storage#policy",
            "resourceId": f"projects/_/buckets/{name}/objects/{object_name}",
            "version": 1,
            "etag": grants.etag(stored.generation, stored.metageneration),
        }
    )


async def permissions(
    storehouse: Storehouse, request: Request, name: str, *object_name: str
) -> Reply:
    """Of the asked permissions those that the caller has."""
    if object_name:
        storehouse.object(request, name, object_name[0], "storage.objects.get")
    storehouse.bucket(request, name, "storage.buckets.get")
    asked = [value for key, value in request.pairs if key == "permissions"]
    allowed = [permission for permission in asked if _may(storehouse, request, name, permission)]
    document: JSON = {"kind": "storage#testIamPermissionsResponse"}
    if allowed:
        document["permissions"] = allowed
    return Reply.json(document)


def _may(storehouse: Storehouse, request: Request, name: str, permission: str) -> bool:
    try:
        storehouse.bucket(request, name, permission)
    except Refusal:
        return False
    return True


def _verb(request: Request) -> str:
    return "get" if request.method == "GET" else "update"


def _shown(entries: list[JSON], entity: str, kind: str) -> Reply:
    if not entity:
        return Reply.json({"kind": f"storage#{kind}", "items": entries})
    return Reply.json(entries[_position(entries, entity)])


def _changed(
    before: list[JSON], method: str, entity: str, body: dict[str, Any]
) -> tuple[str, list[JSON]]:
    """The list after a change, and the entity that it was about."""
    after = list(before)
    if method == "DELETE":
        del after[_position(before, entity)]
        return entity, after
    entry = grants.one({"entity": entity, **body} if entity else body)
    if entity:
        entry["entity"] = entity
    at = _find(before, entry["entity"])
    if at is None and method in {"PUT", "PATCH"}:
        _position(before, entry["entity"])
    if at is None:
        after.append(entry)
    else:
        after[at] = entry
    return entry["entity"], after


def _find(entries: list[JSON], entity: str) -> int | None:
    return next((at for at, entry in enumerate(entries) if entry["entity"] == entity), None)


def _position(entries: list[JSON], entity: str) -> int:
    at = _find(entries, entity)
    if at is None:
        raise Refusal(404, "notFound", f"The specified ACL entry '{entity}' does not exist.")
    return at


def _is_binding(binding: Any) -> bool:
    return (
        isinstance(binding, dict)
        and isinstance(binding.get("role"), str)
        and isinstance(binding.get("members", []), list)
    )


def _policy(bucket: Bucket) -> JSON:
    stored = bucket.policy or {"version": 1, "bindings": _legacy_bindings(bucket)}
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        **stored,
        "etag": _etag(bucket),
    }


def _legacy_bindings(bucket: Bucket) -> list[JSON]:
    """The policy that a bucket begins with: its project's teams, by the legacy roles."""
    owners = [f"projectEditor:{bucket.project}", f"projectOwner:{bucket.project}"]
    return [
        {"role": _ROLES["OWNER"], "members": owners},
        {"role": _ROLES["READER"], "members": [f"projectViewer:{bucket.project}"]},
    ]


def _etag(bucket: Bucket) -> str:
    """As the service's: "CAE=" for the first."""
    return base64.b64encode(bytes([8, min(bucket.metageneration, 127)])).decode()
