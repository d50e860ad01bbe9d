"""The archive holds a private key or another secret.

It is copied to the staging bucket and into every replica. The service needs none: a job
runs as its service account.
"""

import re
from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_KEYS: Final = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    ("a key of a service account", re.compile(r'"private_key_id"\s*:\s*"[^"]+"')),
    ("a refresh token", re.compile(r'"refresh_token"\s*:\s*"[^"]{8,}"')),
    ("an API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    ("an access key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
)


def check(evidence: Evidence) -> Iterator[Finding]:
    shown = {source.inside: source.path for source in evidence.sources}
    prefix = "" if evidence.root in {"", "."} else f"{evidence.root}/"
    for archive in evidence.archives:
        for name, text in archive.texts.items():
            inside = name.partition("/")[2]
            for what, pattern in _KEYS:
                if found := pattern.search(text):
                    yield Finding(
                        message=f"{inside} has {what} in it and is part of the archive.",
                        fix="Take it out (and revoke it, if it has been uploaded): the job runs "
                        "as its service account and needs no key.",
                        path=shown.get(inside, f"{prefix}{inside}"),
                        line=text[: found.start()].count("\n") + 1,
                    )
                    break
