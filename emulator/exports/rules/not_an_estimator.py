"""The pickle's outermost object is of no class of scikit-learn or XGBoost.

The service looks at the module of its class. A dict around the model, a list of models or a
class of your own is not served this way; a custom prediction routine can.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import bad_model
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, pickle in evidence.pickles.items():
        kind = pickle.kind
        if not kind or pickle.problem or "sklearn" in kind or "xgboost" in kind:
            continue
        library = "xgboost" if evidence.framework == "xgboost" else "sklearn"
        wanted = "sklearn model or pipeline" if library == "sklearn" else "xgboost model"
        yield Finding(
            message=f"{name} holds a {kind}, no estimator.",
            fix="Dump the fitted estimator or Pipeline itself.",
            path=evidence.path(name),
            cloud=bad_model(
                f"Invalid model type detected: {kind}. Please make sure the model file is an "
                f"exported {wanted}."
            ),
            verified=True,
        )
