"""What the service took and this emulator does not do yet: one row each, deleted when it can.

These refusals come after the service's own validation and say who is speaking.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from emulator.catalog import Catalog
from emulator.errors import FailedPrecondition, Violation
from emulator.resources import Job, TrainingInput, Version

_CPU_MACHINE: Final = "Choose a machine type without accelerators."


class JobRow(msgspec.Struct, frozen=True):
    """Refuse a training input that ``applies``."""

    field: str
    applies: Callable[[TrainingInput], bool]
    sentence: str


class VersionRow(msgspec.Struct, frozen=True):
    field: str
    applies: Callable[[Version], bool]
    sentence: str


def _tuning(spec: TrainingInput) -> bool:
    return spec.hyperparameters is not None


JOBS: Final = (
    JobRow("hyperparameters", _tuning, "This emulator does no hyperparameter tuning yet."),
)
BATCH: Final = "This emulator does no batch prediction yet. Ask for online predictions instead."
VERSIONS: Final = (
    VersionRow(
        "version.container",
        lambda version: version.container is not None,
        "This emulator serves no custom containers yet.",
    ),
    VersionRow(
        "version.prediction_class",
        lambda version: bool(version.prediction_class),
        "This emulator runs no custom prediction routines yet.",
    ),
    VersionRow(
        "version.framework",
        lambda version: version.framework in {"SCIKIT_LEARN", "XGBOOST"},
        "This emulator serves TensorFlow models only so far.",
    ),
    VersionRow(
        "version.accelerator_config",
        lambda version: version.accelerator_config is not None,
        f"This emulator has no GPUs yet. {_CPU_MACHINE}",
    ),
    VersionRow(
        "version.explanation_config",
        lambda version: version.explanation_config is not None,
        "This emulator gives no explanations yet.",
    ),
)
METHODS: Final = "This emulator does not offer {method} yet."


def check_job(job: Job, catalog: Catalog) -> None:
    """Raise FailedPrecondition with everything in a valid job that cannot be done yet."""
    if job.prediction_input is not None:
        raise FailedPrecondition.field("prediction_input", BATCH)
    spec = job.training_input
    if spec is None:
        return
    found = [Violation(row.field, row.sentence) for row in JOBS if row.applies(spec)]
    found += _runtime(spec.runtime_version, spec.python_version, catalog)
    if found:
        raise FailedPrecondition.of(*found)


def check_version(version: Version, catalog: Catalog) -> None:
    """Raise FailedPrecondition with everything in a valid version that cannot be done yet."""
    found = [Violation(row.field, row.sentence) for row in VERSIONS if row.applies(version)]
    found += _runtime(version.runtime_version, version.python_version, catalog)
    if found:
        raise FailedPrecondition.of(*found)


def _runtime(version: str, python: str, catalog: Catalog) -> list[Violation]:
    """A runtime version that is known and not built here; none is given with a container."""
    sentence = catalog.runtimes.refusal(version, python) if version else None
    return [] if sentence is None else [Violation("runtime_version", sentence)]
