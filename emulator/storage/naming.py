"""Which names Cloud Storage takes for buckets and objects."""

import re
from typing import Final

from emulator.storage.refusals import Refusal, invalid

_LONGEST_OBJECT: Final = 1024
_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
_ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")
_LONGEST_BUCKET: Final = 63
_LONGEST_DOMAIN: Final = 222
_SHORTEST: Final = 3


def can_be_bucket(name: str) -> bool:
    """Whether a bucket of this name may exist; some that do are Google's own."""
    longest = _LONGEST_DOMAIN if "." in name else _LONGEST_BUCKET
    return (
        _BUCKET.fullmatch(name) is not None
        and _SHORTEST <= len(name) <= longest
        and all(0 < len(label) <= _LONGEST_BUCKET for label in name.split("."))
        and not _ADDRESS.fullmatch(name)
    )


def check_bucket(name: str) -> str:
    """Answer the name of a new bucket, or refuse it as Cloud Storage does."""
    if not can_be_bucket(name) or name.startswith("goog") or "google" in name:
        raise Refusal(400, "invalid", invalid_bucket(name), "InvalidBucketName")
    return name


def invalid_bucket(name: str) -> str:
    return f"Invalid bucket name: '{name}'"


def check_object(name: str) -> str:
    """Answer the name, or refuse it as Cloud Storage does."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise invalid("Object names are UTF-8 text.") from error
    if not length:
        raise Refusal(400, "required", "Object names are not empty.")
    if length > _LONGEST_OBJECT:
        raise invalid(
            f"The maximum object length is {_LONGEST_OBJECT} characters, but got a name with "
            f"{length} characters: '{name[:_LONGEST_OBJECT]}...'"
        )
    if "\r" in name or "\n" in name:
        raise invalid(f"Disallowed unicode characters present in object name {name!r}")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: '{name}'")
    return name
