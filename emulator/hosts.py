"""Google's host names as a hosts file can list them: all but the buckets' own."""

from collections.abc import Iterable
from typing import Final

_FIXED: Final = (
    "accounts.google.com",
    "cloudresourcemanager.googleapis.com",
    "commondatastorage.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "metadata",
    "metadata.google.internal",
    "ml.googleapis.com",
    "oauth2.googleapis.com",
    "storage-download.googleapis.com",
    "storage-upload.googleapis.com",
    "storage.googleapis.com",
    "www.googleapis.com",
)


def google_hosts(regions: Iterable[str]) -> tuple[str, ...]:
    """The names that lead to the gateway where names can be given, in order."""
    return (*_FIXED, *(f"{region}-ml.googleapis.com" for region in sorted(regions)))
