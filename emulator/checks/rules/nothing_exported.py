"""The job succeeds, and leaves nothing in Cloud Storage that could be served.

Neither a SavedModel nor a file of another framework, by its name. That is an error where
`--instances` or `--golden` say that a model is expected.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
NEEDS_RUN: Final = True
_MOST: Final = 5


def check(evidence: Evidence) -> Iterator[Finding]:
    run = evidence.run
    if run is None or not run.is_done or run.model:
        return
    names = ", ".join(list(run.written)[:_MOST])
    more = f" and {len(run.written) - _MOST} more" if len(run.written) > _MOST else ""
    left = f"It left {names}{more}." if names else "It left nothing at all."
    place = run.job_dir or "the folder of --job-dir"
    yield Finding(
        message=f"No model was exported below {place}. {left}",
        fix="Save the model below --job-dir at the end: tf.saved_model.save(model, "
        "os.path.join(job_dir, 'export')).",
        cloud="Job completed successfully. (And there is nothing to deploy.)",
        severity=Severity.ERROR if run.wants_model else None,
    )
