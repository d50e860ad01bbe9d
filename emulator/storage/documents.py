"""Buckets, objects and access controls as the JSON API shows them."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from emulator.storage import grants
from emulator.storage.grants import JSON, etag
from emulator.storage.values import Bucket, Object

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GOOGLE: Final = ".googleapis.com"
_MULTI_REGIONS: Final = frozenset({"US", "EU", "ASIA"})
_DUAL_REGIONS: Final = frozenset({"NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1"})
_ACCESS: Final = frozenset({"acl", "defaultObjectAcl", "owner"})


class Links:
    """How resources name themselves: Google's own addresses, or the client's for a direct one."""

    def __init__(self, scheme: str, host: str) -> None:
        is_google = host.partition(":")[0].endswith(_GOOGLE)
        self._api = "https://www.googleapis.com" if is_google else f"{scheme}://{host}"
        self._media = "https://storage.googleapis.com" if is_google else f"{scheme}://{host}"

    def bucket(self, name: str) -> str:
        return f"{self._api}/storage/v1/b/{name}"

    def object(self, bucket: str, name: str) -> str:
        return f"{self._api}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"

    def media(self, stored: Object) -> str:
        name = quote(stored.name, safe="")
        return (
            f"{self._media}/download/storage/v1/b/{stored.bucket}/o/{name}"
            f"?generation={stored.generation}&alt=media"
        )


def moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def timestamp(micros: int) -> str:
    """RFC 3339 with milliseconds, in UTC."""
    return moment(micros).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def crc32c_text(value: int) -> str:
    return base64.b64encode(value.to_bytes(4)).decode()


def md5_text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def object_document(stored: Object, links: Links, project: str, *, full: bool) -> JSON:
    """``full`` adds the access controls, as ``projection=full`` does."""
    times = {"timeCreated": stored.created, "updated": stored.updated}
    document: JSON = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": links.object(stored.bucket, stored.name),
        "mediaLink": links.media(stored),
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": crc32c_text(stored.crc32c),
        "etag": etag(stored.generation, stored.metageneration),
        **{name: timestamp(micros) for name, micros in times.items()},
        "timeStorageClassUpdated": timestamp(stored.created),
        "timeFinalized": timestamp(stored.created),
    }
    if stored.md5:
        document["md5Hash"] = md5_text(stored.md5)
    document |= {name: value for name, value in stored.document.items() if name not in _ACCESS}
    if full:
        document["owner"] = {"entity": f"project-owners-{grants.project_number(project)}"}
        document["acl"] = grants.of_object(stored, project)
    return document


def bucket_document(bucket: Bucket, links: Links, *, full: bool) -> JSON:
    location = bucket.document.get("location", "US")
    document: JSON = {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": links.bucket(bucket.name),
        "name": bucket.name,
        "projectNumber": str(grants.project_number(bucket.project)),
        "metageneration": str(bucket.metageneration),
        "locationType": _location_type(location),
        "storageClass": "STANDARD",
        "etag": etag(bucket.metageneration),
        "timeCreated": timestamp(bucket.created),
        "updated": timestamp(bucket.updated),
        "iamConfiguration": {
            "bucketPolicyOnly": {"enabled": False},
            "uniformBucketLevelAccess": {"enabled": False},
            "publicAccessPrevention": "inherited",
        },
    }
    document |= {name: value for name, value in bucket.document.items() if name not in _ACCESS}
    document["location"] = location
    if full:
        document["owner"] = {"entity": f"project-owners-{grants.project_number(bucket.project)}"}
        document["acl"] = grants.of_bucket(bucket)
        document["defaultObjectAcl"] = grants.default_of_bucket(bucket)
    return document


def _location_type(location: str) -> str:
    if location in _MULTI_REGIONS:
        return "multi-region"
    return "dual-region" if location in _DUAL_REGIONS else "region"
