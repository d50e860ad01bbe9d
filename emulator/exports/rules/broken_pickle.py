"""The scikit-learn or XGBoost model is no pickle, or only a part of one."""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, pickle in evidence.pickles.items():
        if pickle.problem:
            yield Finding(
                message=f"{name} cannot be loaded: {pickle.problem}.",
                fix="Dump or copy it again; joblib.dump and pickle.dump write what is wanted.",
                path=evidence.path(name),
                cloud=service.bad_file(name, pickle.problem),
            )
