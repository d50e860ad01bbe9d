"""Which runtime version an export is judged for: the one that is named, else by the model."""

from typing import Final

from emulator.errors import OperatorError
from emulator.exports.evidence import Target
from emulator.runtime_versions import shipped

_OLD: Final = "1.15"  # the runtime versions that can be run here
_NEW: Final = "2.11"


def choose(
    version: str = "", python_version: str = "", machine_type: str = "", *, exported_by: str = ""
) -> Target:
    """What a version of the service has; OperatorError for one that there never was.

    ``exported_by`` is the TensorFlow that wrote the model: without a version, 1.x is judged
    for runtime version 1.15 and everything else for 2.11.
    """
    chosen = version or (_OLD if exported_by.startswith("1.") else _NEW)
    versions = shipped()
    known = versions.runtimes.get(chosen)
    python = python_version or (known.python[-1] if known else "")
    if known is None or python not in known.python:
        raise OperatorError(versions.refusal(chosen, python) or f"There is no runtime {chosen}.")
    return Target(
        version=chosen,
        tensorflow=known.tensorflow,
        python=python,
        scikit_learn=known.scikit_learn,
        xgboost=known.xgboost,
        machine_type=machine_type,
        assumed=not version,
    )
