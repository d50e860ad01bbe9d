"""An Estimator is given an evaluator beside a `master`, and refuses it.

Up to runtime version 1.15 the first replica is `master`, which evaluates by itself: an
Estimator ends the evaluator's process with a ValueError, again and again, and the job fails.
A package that writes TF_CONFIG anew is left alone.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import estimators
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.tf_config import primary

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    request, version = evidence.request, evidence.runtime.version
    if request.training.evaluator_count <= 0 or not version or primary(version) != "master":
        return
    for source, call in estimators.trained_and_evaluated(evidence):
        yield Finding(
            message=f"The job asks for an evaluator, and in runtime version {version} the "
            "first replica is a master, which evaluates by itself.",
            fix="Leave evaluatorType and evaluatorCount out, or name the master chief in "
            "TF_CONFIG before the RunConfig is made.",
            path=source.path,
            line=call.lineno,
            cloud="ValueError: If `master` node exists in `cluster`, task_type `evaluator` is "
            "not supported.",
            verified=True,
        )
