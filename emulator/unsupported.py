"""What the service took and this emulator does not do yet: one row each, deleted when it can.

These refusals come after the service's own validation and say who is speaking.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from emulator.catalog import Catalog, is_gpu
from emulator.errors import FailedPrecondition, Violation
from emulator.resources import Job, ReplicaConfig, TrainingInput, Version

_CPU_MACHINE: Final = "Choose a machine type without accelerators."


class JobRow(msgspec.Struct, frozen=True):
    """Refuse a training input that ``applies``."""

    field: str
    applies: Callable[[TrainingInput, Catalog], bool]
    sentence: str


class VersionRow(msgspec.Struct, frozen=True):
    field: str
    applies: Callable[[Version], bool]
    sentence: str


def _groups(spec: TrainingInput) -> list[tuple[str, ReplicaConfig | None]]:
    return [
        (spec.master_type, spec.master_config),
        (spec.worker_type, spec.worker_config),
        (spec.parameter_server_type, spec.parameter_server_config),
        (spec.evaluator_type, spec.evaluator_config),
    ]


def _several_replicas(spec: TrainingInput, catalog: Catalog) -> bool:
    tier = catalog.tiers[spec.scale_tier]
    counts = (spec.worker_count, spec.parameter_server_count, spec.evaluator_count)
    of_tier = tier.worker is not None and tier.worker[0] not in catalog.machines.tpu
    return of_tier or tier.parameter_server is not None or any(counts)


def _accelerators(spec: TrainingInput, catalog: Catalog) -> set[str]:
    """Kinds of accelerators that a job asks for, by tier, machine type or configuration."""
    found = {tier[0] for tier in [catalog.tiers[spec.scale_tier].accelerator] if tier}
    for name, config in _groups(spec):
        machine = catalog.machines.training(name)
        if machine is not None and machine.accelerator:
            found.add(machine.accelerator)
        if config is not None and config.accelerator_config is not None:
            found.add(config.accelerator_config.type)
    return found


def _gpu(spec: TrainingInput, catalog: Catalog) -> bool:
    return any(map(is_gpu, _accelerators(spec, catalog)))


def _tpu(spec: TrainingInput, catalog: Catalog) -> bool:
    return any(kind.startswith("TPU_") for kind in _accelerators(spec, catalog))


def _container(spec: TrainingInput, _: Catalog) -> bool:
    return any(config is not None and config.image_uri for _, config in _groups(spec))


def _tuning(spec: TrainingInput, _: Catalog) -> bool:
    return spec.hyperparameters is not None


JOBS: Final = (
    JobRow("master_config.image_uri", _container, "This emulator runs no custom containers yet."),
    JobRow("hyperparameters", _tuning, "This emulator does no hyperparameter tuning yet."),
    JobRow("scale_tier", _tpu, f"This emulator has no TPUs yet. {_CPU_MACHINE}"),
    JobRow("scale_tier", _gpu, f"This emulator has no GPUs yet. {_CPU_MACHINE}"),
    JobRow(
        "scale_tier",
        _several_replicas,
        "This emulator runs jobs of one replica only so far. Choose the scale tier BASIC, "
        "or CUSTOM with a master alone.",
    ),
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
    found = [Violation(row.field, row.sentence) for row in JOBS if row.applies(spec, catalog)]
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
