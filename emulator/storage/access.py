"""Who may do what: decided by the identity of the listener that a request came through."""

from typing import Any, Final

from emulator.identity import Identity, Kind
from emulator.projects import number_of
from emulator.storage.grants import EVERYBODY, bucket_grants
from emulator.storage.refusals import forbidden
from emulator.storage.values import Bucket, Object

_ALL: Final = frozenset({Kind.USER, Kind.SERVICE})
_PROJECTS_OWN: Final = frozenset({Kind.JOB, Kind.VERSION})
_READING: Final = (".get", ".list")
_READERS: Final = frozenset({"READER", "WRITER", "OWNER"})
_WRITERS: Final = frozenset({"WRITER", "OWNER"})
_READING_ROLES: Final = ("viewer", "reader", "writer", "user", "admin", "owner")
_WRITING_ROLES: Final = ("writer", "creator", "user", "admin", "owner")


def check_bucket(identity: Identity, bucket: Bucket, permission: str) -> None:
    """Refuse what the identity may not do with a bucket or with any object in it."""
    if not (_is_own(identity, bucket.project) or _is_public(bucket, permission)):
        raise forbidden(_text(identity, permission, "bucket"))


def check_object(
    identity: Identity, bucket: Bucket, permission: str, stored: Object | None = None
) -> None:
    """The same for one object, which may be open where its bucket is not."""
    if _is_own(identity, bucket.project) or _is_public(bucket, permission):
        return
    grants = stored.document.get("acl") if stored is not None else None
    if not _granted(grants or [], permission):
        raise forbidden(_text(identity, permission, "object"))


def check_project(identity: Identity, project: str, permission: str) -> None:
    """Refuse what the identity may not do in a project."""
    if not _is_own(identity, project):
        raise forbidden(_text(identity, permission, "project"))


def _is_own(identity: Identity, project: str) -> bool:
    if identity.kind in _ALL:
        return True
    own = {identity.project, str(number_of(identity.project))}
    return identity.kind in _PROJECTS_OWN and project in own


def _is_public(bucket: Bucket, permission: str) -> bool:
    if _granted(bucket_grants(bucket), permission):
        return True
    words = _READING_ROLES if permission.endswith(_READING) else _WRITING_ROLES
    bindings: list[dict[str, Any]] = (bucket.policy or {}).get("bindings", [])
    return any(
        EVERYBODY.intersection(binding.get("members", ()))
        and str(binding.get("role")).lower().endswith(words)
        for binding in bindings
    )


def _granted(grants: list[dict[str, Any]], permission: str) -> bool:
    roles = _READERS if permission.endswith(_READING) else _WRITERS
    return any(grant["entity"] in EVERYBODY and grant["role"] in roles for grant in grants)


def _text(identity: Identity, permission: str, what: str) -> str:
    who = identity.email or identity.name or "The caller"
    return (
        f"{who} does not have {permission} access to the Google Cloud Storage {what}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
