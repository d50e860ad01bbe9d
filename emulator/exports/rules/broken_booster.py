"""model.bst is no model that the runtime's XGBoost can read.

XGBoost reads its binary format everywhere, JSON from 1.0 on, and UBJSON from 1.6 on.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.exports.graphs import is_newer
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR

_SINCE: Final = {"JSON": "1.0", "UBJSON": "1.6"}


def check(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.target.xgboost
    for name, form in evidence.boosters.items():
        since = _SINCE.get(form, "")
        if form and not (ours and is_newer(since, ours)):
            continue
        yield Finding(
            message=f"{name} is {form}, which XGBoost {ours} does not read."
            if form
            else f"{name} is no model of XGBoost.",
            fix="Save it with Booster.save_model, with the XGBoost of the runtime"
            + (f" ({ours})." if ours else "."),
            path=evidence.path(name),
            cloud=service.bad_file(name, "input stream corrupted"),
        )
