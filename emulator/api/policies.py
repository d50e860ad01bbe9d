"""IAM policies over the wire: a default, etags, and a check of the etag that comes back."""

import base64
import hashlib
from typing import Any, Final

import msgspec

from emulator import texts
from emulator.api.services import Policies
from emulator.errors import Aborted

EMPTY: Final = {"etag": "ACAB"}  # what Google answers where no policy was ever set


def current(policies: Policies, resource_name: str) -> dict[str, Any]:
    stored = policies.get(resource_name)
    return dict(EMPTY) if stored is None else msgspec.json.decode(stored)


def change(policies: Policies, resource_name: str, policy: dict[str, Any]) -> dict[str, Any]:
    """Replace a policy; Aborted if it names another etag than the current one."""
    etag = policy.get("etag", "")
    if etag and etag != current(policies, resource_name)["etag"]:
        raise Aborted(texts.ETAG_MISMATCH)
    made = {key: value for key, value in policy.items() if key != "etag"}
    digest = hashlib.sha256(msgspec.json.encode(made, order="deterministic")).digest()
    made["etag"] = base64.b64encode(digest[:8]).decode()
    policies.put(resource_name, msgspec.json.encode(made))
    return made
