"""A `gs://` path of the job names a bucket that cannot exist.

Cloud Storage takes names of 3 to 63 lower-case letters, digits, dashes, underscores and dots.
It refuses any other where it is first asked for, in the midst of the job.
"""

import re
from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.storage.naming import can_be_bucket, invalid_bucket

SEVERITY: Final = Severity.ERROR
_BUCKET: Final = re.compile(r"gs://([^/\s,'\"]+)")


def check(evidence: Evidence) -> Iterator[Finding]:
    request = evidence.request
    training = request.training
    seen: set[str] = set()
    for field, text in {"jobDir": training.job_dir, "args": " ".join(training.args)}.items():
        for bucket in _BUCKET.findall(text):
            if bucket not in seen and not can_be_bucket(bucket):
                seen.add(bucket)
                yield Finding(
                    message=f"gs://{bucket} can be no bucket.",
                    cloud=invalid_bucket(bucket),
                    fix="Name a bucket of 3 to 63 lower-case letters, digits, '-', '_' and '.'.",
                    path=request.path,
                    line=request.line(field),
                )
