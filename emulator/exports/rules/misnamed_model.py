"""A scikit-learn or XGBoost model does not have the name that the service looks for.

It is model.joblib or model.pkl, for XGBoost also model.bst, whatever wrote it.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import bad_model
from emulator.exports import layout
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for name in layout.misnamed(evidence.files):
        ending = ".pkl" if name.endswith(".pickle") else name[name.rindex(".") :]
        text = (
            "Could not find model.joblib, model.pkl, or model.bst in /tmp/model/0001"
            if ending == ".bst"
            else "Could not find either model.joblib or model.pkl in /tmp/model/0001"
        )
        yield Finding(
            message=f"{name} is not a name that the service looks for.",
            fix=f"Rename it to model{ending}.",
            path=evidence.path(name),
            cloud=bad_model(text),
            verified=True,
        )
