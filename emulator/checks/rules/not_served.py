"""The model is none of TensorFlow: its files were looked at, and it was not served.

Nothing is known of its predictions. A scikit-learn or XGBoost model was judged by its name
and by what its pickle would do, a PyTorch model by its name alone: that needs a container of
its own.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.NOTE
NEEDS_RUN: Final = True


def check(evidence: Evidence) -> Iterator[Finding]:
    run = evidence.run
    if run is None or not run.model:
        return
    framework = run.export.framework if run.export else "PyTorch"
    if framework == "tensorflow":
        return
    named = framework or "model of unknown kind"
    yield Finding(
        message=f"{run.model} ({named}) was not deployed: this emulator serves TensorFlow alone.",
        fix="Try its predictions with the runtime version's library, or in its container.",
        path=run.model,
    )
