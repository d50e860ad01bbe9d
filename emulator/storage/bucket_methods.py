"""The JSON API's methods on buckets."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from emulator.storage import access, conditions, grants
from emulator.storage.documents import bucket_document
from emulator.storage.listing import PAGE
from emulator.storage.messages import Reply, Request
from emulator.storage.naming import check_bucket
from emulator.storage.refusals import Refusal, invalid, required
from emulator.storage.storehouse import Storehouse
from emulator.storage.values import Bucket

_FIXED: Final = frozenset(
    {
        "etag",
        "id",
        "kind",
        "locationType",
        "metageneration",
        "name",
        "owner",
        "projectNumber",
        "selfLink",
        "timeCreated",
        "updated",
    }
)
_UPPER: Final = frozenset({"location", "storageClass"})
_LABEL: Final = re.compile(r"[\w-]{0,63}")


async def get(storehouse: Storehouse, request: Request, name: str) -> Reply:
    bucket = storehouse.bucket(request, name, "storage.buckets.get")
    wanted = conditions.of_params(request.params)
    conditions.check(wanted, bucket.metageneration, reading=True)
    return Reply.json(bucket_document(bucket, request.links, full=request.is_full))


async def list_(storehouse: Storehouse, request: Request) -> Reply:
    params = request.params
    project = storehouse.project_id(request)
    access.check_project(request.identity, project, "storage.buckets.list")
    size = conditions.number(params.get("maxResults") or str(PAGE), "maxResults")
    limit = min(size if size > 0 else PAGE, PAGE)
    found = storehouse.index.buckets(
        project=project,
        prefix=params.get("prefix", ""),
        after=params.get("pageToken", ""),
        limit=limit + 1,
    )
    shown = found[:limit]
    document: dict[str, Any] = {"kind": "storage#buckets"}
    if len(found) > limit:
        document["nextPageToken"] = shown[-1].name
    if shown:
        document["items"] = [
            bucket_document(bucket, request.links, full=request.is_full) for bucket in shown
        ]
    return Reply.json(document)


async def insert(storehouse: Storehouse, request: Request) -> Reply:
    body = await request.document()
    name = body.get("name")
    if not isinstance(name, str):
        raise required("name")
    project = storehouse.project_id(request)
    bucket = create(storehouse, request, name, project, body)
    full = request.is_full or "acl" in body or "defaultObjectAcl" in body
    return Reply.json(bucket_document(bucket, request.links, full=full))


def create(
    storehouse: Storehouse, request: Request, name: str, project: str, body: Mapping[str, Any]
) -> Bucket:
    """Make a bucket that remembers its project."""
    if not project:
        raise required("project")
    check_bucket(name)
    access.check_project(request.identity, project, "storage.buckets.create")
    existing = storehouse.index.bucket(name)
    if existing is not None:
        raise _taken(existing, project)
    now = storehouse.index.now_us()
    document = _merged({}, body)
    document.setdefault("location", "US")
    _predefined(request.params, document, project)
    bucket = Bucket(name=name, project=project, created=now, updated=now, document=document)
    storehouse.index.insert_bucket(bucket)
    return bucket


async def patch(storehouse: Storehouse, request: Request, name: str) -> Reply:
    return _changed(storehouse, request, name, await request.document(), merge=True)


async def update(storehouse: Storehouse, request: Request, name: str) -> Reply:
    return _changed(storehouse, request, name, await request.document(), merge=False)


async def delete(storehouse: Storehouse, request: Request, name: str) -> Reply:
    bucket = storehouse.bucket(request, name, "storage.buckets.delete")
    conditions.check(conditions.of_params(request.params), bucket.metageneration)
    if not storehouse.index.is_empty(name):
        raise Refusal(
            409, "conflict", "The bucket you tried to delete is not empty.", "BucketNotEmpty"
        )
    storehouse.index.delete_bucket(name)
    return Reply(204)


async def storage_layout(storehouse: Storehouse, request: Request, name: str) -> Reply:
    bucket = storehouse.bucket(request, name, "storage.objects.list")
    document = bucket_document(bucket, request.links, full=False)
    return Reply.json(
        {
            "kind": "storage#storageLayout",
            "bucket": name,
            "location": document["location"],
            "locationType": document["locationType"],
            "hierarchicalNamespace": {"enabled": False},
        }
    )


async def nothing(storehouse: Storehouse, request: Request, name: str, kind: str) -> Reply:
    """A list of what no bucket of ours has: folders, notifications and the like."""
    storehouse.bucket(request, name, "storage.buckets.get")
    kinds = {"notificationConfigs": "notifications"}
    return Reply.json({"kind": f"storage#{kinds.get(kind, kind)}"})


async def service_account(_: Storehouse, request: Request, project: str) -> Reply:
    access.check_project(request.identity, project, "resourcemanager.projects.get")
    number = grants.project_number(project)
    email = f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"
    return Reply.json({"kind": "storage#serviceAccount", "email_address": email})


def _changed(
    storehouse: Storehouse, request: Request, name: str, body: dict[str, Any], *, merge: bool
) -> Reply:
    bucket = storehouse.bucket(request, name, "storage.buckets.update")
    conditions.check(conditions.of_params(request.params), bucket.metageneration)
    before = bucket.document if merge else {"location": bucket.document["location"]}
    document = _merged(before, {key: body[key] for key in body if key != "location"})
    _predefined(request.params, document, bucket.project)
    changed = storehouse.index.replace_bucket(msgspec.structs.replace(bucket, document=document))
    full = request.params.get("projection", "full") == "full"
    return Reply.json(bucket_document(changed, request.links, full=full))


def _predefined(params: Mapping[str, str], document: dict[str, Any], project: str) -> None:
    names = {"predefinedAcl": "acl", "predefinedDefaultObjectAcl": "defaultObjectAcl"}
    for name, field in names.items():
        if chosen := params.get(name):
            document[field] = grants.predefined(chosen, project)


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's document with a change applied; null removes."""
    after = dict(before)
    for name, value in change.items():
        if name in _FIXED:
            continue
        if value is None:
            after.pop(name, None)
        elif name == "labels":
            after[name] = _labels(before.get(name, {}), value)
        elif name in {"acl", "defaultObjectAcl"}:
            after[name] = grants.given(value, name)
        elif name == "iamConfiguration" and isinstance(value, dict):
            after[name] = _access_configuration(before.get(name, {}), value)
        elif name in _UPPER and isinstance(value, str):
            after[name] = value.upper()
        else:
            after[name] = value
    if not after.get("labels", True):
        del after["labels"]
    return after


def _labels(before: Mapping[str, str], change: Any) -> dict[str, str]:
    if not isinstance(change, dict):
        raise invalid("Invalid value for labels.")
    merged = {name: value for name, value in {**before, **change}.items() if value is not None}
    for name, value in merged.items():
        if not (isinstance(value, str) and name and _LABEL.fullmatch(name)):
            raise invalid(f"Invalid label: '{name}'")
        if not _LABEL.fullmatch(value):
            raise invalid(f"Invalid value of label '{name}': '{value}'")
    return merged


def _access_configuration(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Uniform access has an old name too; both always say the same."""
    merged: dict[str, Any] = {"publicAccessPrevention": "inherited", **before, **change}
    uniform = change.get("uniformBucketLevelAccess") or change.get("bucketPolicyOnly")
    uniform = uniform or before.get("uniformBucketLevelAccess") or {"enabled": False}
    merged["uniformBucketLevelAccess"] = merged["bucketPolicyOnly"] = uniform
    return merged


def _taken(existing: Bucket, project: str) -> Refusal:
    if existing.project == project:
        message = (
            "Your previous request to create the named bucket succeeded and you already own it."
        )
        return Refusal(409, "conflict", message, "BucketAlreadyOwnedByYou")
    return Refusal(
        409,
        "conflict",
        "The requested bucket name is not available. The bucket namespace is shared by all users "
        "of the system. Please select a different name and try again.",
    )
