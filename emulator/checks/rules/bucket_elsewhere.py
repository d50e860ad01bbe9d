"""A bucket that the job uses does not lie in the job's region.

The documentation asks for buckets in the region where jobs run; whether the service
refused others is not known, so it is a warning. Locations cannot be asked for offline:
name them with `--bucket-location BUCKET=LOCATION`.
"""

import re
from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
_BUCKET: Final = re.compile(r"gs://([^/\s]+)")
_CONTINENTS: Final = {"us": ("us-",), "eu": ("europe-",), "asia": ("asia-",)}


def check(evidence: Evidence) -> Iterator[Finding]:
    request = evidence.request
    training = request.training
    texts = {"jobDir": training.job_dir, "args": " ".join(training.args)}
    seen: set[str] = set()
    for field, text in texts.items():
        for bucket in _BUCKET.findall(text):
            location = request.bucket_locations.get(bucket, "").lower()
            if not location or bucket in seen or _covers(location, training.region):
                continue
            seen.add(bucket)
            yield Finding(
                message=f"gs://{bucket} lies in {location}, the job runs in {training.region}.",
                fix=f"Run the job in {location}, or use a bucket of {training.region}.",
                path=request.path,
                line=request.line(field),
            )


def _covers(location: str, region: str) -> bool:
    return location == region or region.startswith(_CONTINENTS.get(location, ("\0",)))
