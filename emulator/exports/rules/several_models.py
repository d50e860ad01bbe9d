"""The folder holds two models, and the service does not choose.

saved_model.pb beside saved_model.pbtxt, or more than one of model.joblib, model.pkl, model.bst
and a SavedModel.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import bad_model
from emulator.exports import layout, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    saved = sorted(layout.SAVED_MODEL & evidence.files.keys())
    others = layout.model_files(evidence.files)
    if len(saved) + len(others) < 2:  # noqa: PLR2004
        return
    tensorflow = len(saved) == 2  # noqa: PLR2004
    multiple = "Multiple model files are found in the model_path: /tmp/model/0001"
    yield Finding(
        message=f"{service.listed(saved + others)} are all there.",
        fix="Delete what is not meant.",
        path=evidence.place,
        cloud=service.no_saved_model(evidence.place) if tensorflow else bad_model(multiple),
        verified=not tensorflow,
    )
