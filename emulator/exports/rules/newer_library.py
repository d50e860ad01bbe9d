"""The model was dumped by a newer scikit-learn than the runtime's.

scikit-learn does not promise that a pickle works with another version.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.exports.graphs import is_newer
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.target.scikit_learn
    for name, pickle in evidence.pickles.items():
        theirs = pickle.versions.get("scikit-learn", "")
        if ours and is_newer(theirs, ours):
            yield Finding(
                message=f"{name} was dumped by scikit-learn {theirs}; runtime version "
                f"{evidence.target.version} has {ours}.",
                fix=f"Train with scikit-learn {ours}, or choose a newer runtime version.",
                path=evidence.path(name),
                cloud=service.bad_file(name, "No module named 'sklearn.…'"),
            )
