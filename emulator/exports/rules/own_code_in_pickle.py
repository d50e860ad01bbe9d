"""The model needs modules that the service does not have.

A pickle has the names of classes and functions, not their code: a transformer of your own, or
one of another library, cannot be loaded.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import imports, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    for name, pickle in evidence.pickles.items():
        found = sorted(it for it in pickle.names if imports.is_foreign(it))
        for used in dict.fromkeys(it.rpartition(".")[0].partition(".")[0] for it in found):
            whole = [it for it in found if f"{it}.".startswith(f"{used}.")]
            what = whole[0].rpartition(".")[2]
            reason = (
                f"Can't get attribute '{what}' on <module '__main__'>"
                if used == "__main__"
                else f"No module named '{used}'"
            )
            yield Finding(
                message=f"{name} needs {service.listed(whole)}.",
                fix="Build the model of scikit-learn's classes alone, or deploy a custom "
                "prediction routine with the package that has them.",
                path=evidence.path(name),
                cloud=service.bad_file(name, reason),
            )
