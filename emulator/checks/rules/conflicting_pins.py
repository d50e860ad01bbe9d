"""A declared version replaces what the runtime's TensorFlow was built with.

pip puts the other version into the user's folder, where it comes before the runtime's:
another TensorFlow is not the one of the runtime (nor of the GPU's drivers), and a NumPy or
protobuf that TensorFlow does not know breaks its import. A range that has the runtime's
version in it changes nothing.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import environments
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_TIED: Final = frozenset(
    {
        *("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-estimator", "keras"),
        *("numpy", "protobuf", "h5py", "grpcio", "gast", "wrapt", "tensorboard", "absl-py"),
    }
)


def check(evidence: Evidence) -> Iterator[Finding]:
    base = evidence.runtime.distributions
    setup = next((it for it in evidence.sources if it.inside == "setup.py"), None)
    for requirement in environments.requires(evidence.archives):
        name = requirement.name
        ours = base.get(name) or (evidence.runtime.tensorflow if name == "tensorflow-gpu" else "")
        if name not in _TIED or not ours or requirement.allows(ours):
            continue
        yield Finding(
            message=f"{requirement.text} replaces {name} {ours} of runtime "
            f"{evidence.runtime.version}.",
            fix=f"Leave {name} out of install_requires, or allow {ours}; for another TensorFlow "
            "choose the runtime version that has it.",
            path=setup.path if setup else "",
            line=_line(setup.text, requirement.text, name) if setup else 0,
        )


def _line(text: str, *wanted: str) -> int:
    rows = text.splitlines()
    for word in wanted:
        for number, row in enumerate(rows, 1):
            if word in row:
                return number
    return 0
