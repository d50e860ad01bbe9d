"""Access control lists: what a bucket or an object begins with, and how grants are shown."""

import base64
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from emulator.projects import number_of
from emulator.storage.refusals import invalid
from emulator.storage.values import Bucket, Object

JSON: TypeAlias = dict[str, Any]
EVERYBODY: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_PUBLIC: Final[Mapping[str, tuple[JSON, ...]]] = {
    "private": (),
    "projectPrivate": (),
    "bucketOwnerRead": (),
    "bucketOwnerFullControl": (),
    "publicRead": ({"entity": "allUsers", "role": "READER"},),
    "publicReadWrite": ({"entity": "allUsers", "role": "WRITER"},),
    "authenticatedRead": ({"entity": "allAuthenticatedUsers", "role": "READER"},),
}
_ROLES: Final = frozenset({"OWNER", "WRITER", "READER"})


def predefined(name: str, project: str) -> list[JSON]:
    """The grants of ``predefinedAcl``."""
    name = _camel(name)
    if name not in _PUBLIC:
        raise invalid(f"Invalid value for predefinedAcl: '{name}'")
    return [*of_team(project), *_PUBLIC[name]]


def project_number(project: str) -> int:
    """Some clients name a project by its number."""
    return int(project) if project.isdecimal() else number_of(project)


def of_team(project: str) -> list[JSON]:
    number = project_number(project)
    teams = {"owners": "OWNER", "editors": "OWNER", "viewers": "READER"}
    return [{"entity": f"project-{team}-{number}", "role": role} for team, role in teams.items()]


def given(entries: Any, field: str) -> list[JSON]:
    """Grants as a client sends them: of what it sends, entity and role count."""
    if not isinstance(entries, list):
        raise invalid(f"Invalid value for {field}.")
    return [one(entry) for entry in entries]


def one(entry: Any) -> JSON:
    if not isinstance(entry, dict) or not isinstance(entry.get("entity"), str):
        raise invalid("An access control needs an entity.")
    role = entry.get("role")
    if role not in _ROLES:
        raise invalid(f"Invalid role for an access control: {role!r}")
    return {"entity": entry["entity"], "role": role}


def bucket_grants(bucket: Bucket) -> list[JSON]:
    stored: list[JSON] | None = bucket.document.get("acl")
    return of_team(bucket.project) if stored is None else stored


def default_grants(bucket: Bucket) -> list[JSON]:
    stored: list[JSON] | None = bucket.document.get("defaultObjectAcl")
    return of_team(bucket.project) if stored is None else stored


def object_grants(stored: Object, project: str) -> list[JSON]:
    kept: list[JSON] | None = stored.document.get("acl")
    return of_team(project) if kept is None else kept


def of_bucket(bucket: Bucket) -> list[JSON]:
    return [
        {
            "kind": "storage#bucketAccessControl",
            "id": f"{bucket.name}/{grant['entity']}",
            "bucket": bucket.name,
            **_described(grant),
            "etag": etag(bucket.metageneration),
        }
        for grant in bucket_grants(bucket)
    ]


def default_of_bucket(bucket: Bucket) -> list[JSON]:
    return [
        {
            "kind": "storage#objectAccessControl",
            **_described(grant),
            "etag": etag(bucket.metageneration),
        }
        for grant in default_grants(bucket)
    ]


def of_object(stored: Object, project: str) -> list[JSON]:
    return [
        {
            "kind": "storage#objectAccessControl",
            "id": f"{stored.bucket}/{stored.name}/{stored.generation}/{grant['entity']}",
            "bucket": stored.bucket,
            "object": stored.name,
            "generation": str(stored.generation),
            **_described(grant),
            "etag": etag(stored.generation, stored.metageneration),
        }
        for grant in object_grants(stored, project)
    ]


def etag(*numbers: int) -> str:
    """Opaque, and different whenever one of the numbers is."""
    return base64.b64encode("/".join(map(str, numbers)).encode()).decode()


def _described(grant: JSON) -> JSON:
    """A grant with the fields that follow from its entity."""
    entity = grant["entity"]
    described: JSON = {"entity": entity, "role": grant["role"]}
    kind, _, rest = entity.partition("-")
    if kind in {"user", "group"}:
        described["email"] = rest
    elif kind == "domain":
        described["domain"] = rest
    elif kind == "project":
        team, _, project_number = rest.partition("-")
        described["projectTeam"] = {"projectNumber": project_number, "team": team}
    return described


def _camel(name: str) -> str:
    """The XML API's header says ``public-read``."""
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)
