"""The service's rules for what it is given, with its own texts; pure.

Each rule answers the violations it finds, so that one answer names them all. Texts that
were seen literally stand here; the others come from ``texts``.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from emulator import schema, texts
from emulator.catalog import Catalog
from emulator.errors import FailedPrecondition, InvalidArgument, Violation
from emulator.names import is_resource_id
from emulator.resources import (
    AcceleratorConfig,
    Job,
    Model,
    PredictionInput,
    ReplicaConfig,
    Scheduling,
    TrainingInput,
    Version,
)

BAD_NAME: Final = (
    "A name should start with a letter and contain only letters, numbers and underscores"
)
CLASS_AND_FRAMEWORK: Final = (
    'Exactly one of "prediction_class" and "framework" may be provided. In order to use a '
    'custom prediction class, "framework" should be left unspecified.'
)
MAX_PACKAGES: Final = 100
MAX_LABELS: Final = 64
MAX_PRIORITY: Final = 1000
MIN_WAIT_S: Final = 1800.0

JOB_MASK: Final = ("labels", "etag")
MODEL_MASK: Final = ("description", "labels", "default_version.name")
VERSION_MASK: Final = (
    "description",
    "labels",
    "request_logging_config",
    "request_logging_config.bigquery_table_name",
    "request_logging_config.sampling_percentage",
    "auto_scaling.min_nodes",
    "auto_scaling.max_nodes",
    "manual_scaling.nodes",
)

_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")
_GCS: Final = re.compile(r"gs://[^/\s]+(?:/.*)?", re.DOTALL)
_MODULE: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_NO_TYPE: Final = "ACCELERATOR_TYPE_UNSPECIFIED"


def check_job(job: Job, catalog: Catalog) -> None:
    """Raise InvalidArgument with every rule that a submitted job breaks."""
    _refuse(list(job_violations(job, catalog)))


def check_model(model: Model) -> None:
    _refuse(list(model_violations(model)))


def check_version(version: Version, catalog: Catalog) -> None:
    """Raise InvalidArgument, or FailedPrecondition where the service answers with that."""
    _refuse(list(version_violations(version, catalog)))
    if version.prediction_class and version.framework != "FRAMEWORK_UNSPECIFIED":
        raise FailedPrecondition.field("prediction_class", CLASS_AND_FRAMEWORK)


def update_mask(text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """``labels,defaultVersion.name`` → the snake_case paths, each one of ``allowed``."""
    paths = tuple(schema.snake(path.strip()) for path in text.split(",") if path.strip())
    if not paths:
        raise InvalidArgument.field("update_mask", texts.MASK_REQUIRED)
    unsupported = [path for path in paths if path not in allowed]
    _refuse([Violation("update_mask", texts.mask_unsupported(it, allowed)) for it in unsupported])
    return paths


def labels_violations(labels: dict[str, str], field: str) -> Iterator[Violation]:
    if len(labels) > MAX_LABELS:
        yield Violation(field, texts.LABELS_TOO_MANY)
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            yield Violation(field, texts.label_form(key))


def check_labels(labels: dict[str, str], field: str) -> None:
    _refuse(list(labels_violations(labels, field)))


def job_violations(job: Job, catalog: Catalog) -> Iterator[Violation]:
    if not is_resource_id(job.job_id):
        yield Violation("job.job_id", BAD_NAME)
    yield from labels_violations(job.labels, "job.labels")
    if (job.training_input is None) == (job.prediction_input is None):
        yield Violation("job.training_input", texts.ONE_INPUT)
    elif job.training_input is not None:
        yield from training_violations(job.training_input, catalog)
    elif job.prediction_input is not None:
        yield from prediction_violations(job.prediction_input, catalog)


def training_violations(spec: TrainingInput, catalog: Catalog) -> Iterator[Violation]:
    image = spec.master_config.image_uri if spec.master_config is not None else ""
    yield from _region(spec.region, catalog)
    if image and spec.runtime_version:
        yield Violation("runtime_version", texts.RUNTIME_OR_IMAGE)
    if not image:
        yield from runtime_violations(spec.runtime_version, spec.python_version, catalog)
        yield from _packages(spec)
    yield from _machines(spec, catalog)
    for group in _groups(spec):
        yield from _container(group, image, spec)
    if spec.job_dir and not _GCS.fullmatch(spec.job_dir):
        yield Violation("job_dir", texts.not_gcs(spec.job_dir))
    if spec.scheduling is not None:
        yield from _scheduling(spec.scheduling)


def prediction_violations(spec: PredictionInput, catalog: Catalog) -> Iterator[Violation]:
    if sum(map(bool, (spec.model_name, spec.version_name, spec.uri))) != 1:
        yield Violation("prediction_input", texts.ONE_MODEL)
    if spec.data_format == "DATA_FORMAT_UNSPECIFIED":
        yield Violation("prediction_input.data_format", texts.REQUIRED)
    if not spec.input_paths:
        yield Violation("prediction_input.input_paths", texts.REQUIRED)
    for path in (*spec.input_paths, *filter(None, (spec.output_path, spec.uri))):
        if not _GCS.fullmatch(path):
            yield Violation("prediction_input", texts.not_gcs(path))
    if not spec.output_path:
        yield Violation("prediction_input.output_path", texts.REQUIRED)
    yield from _region(spec.region, catalog)


def runtime_violations(version: str, python: str, catalog: Catalog) -> Iterator[Violation]:
    runtime = catalog.runtimes.runtimes.get(version)
    if runtime is None or python not in runtime.python:
        yield Violation("runtime_version", runtime_unsupported(version, python))


def runtime_unsupported(version: str, python: str) -> str:
    return (
        f"The specified runtime version '{version}' with the Python version '{python}' is not "
        "supported or is deprecated.  Please specify a different runtime version. See "
        "https://cloud.google.com/ml-engine/docs/runtime-version-list for a list of "
        "supported versions"
    )


def region_unavailable(region: str, options: list[str]) -> str:
    return (
        f"The provided GCE region '{region}' is not available. Options are [{', '.join(options)}]."
    )


def model_violations(model: Model) -> Iterator[Violation]:
    if not is_resource_id(model.name):
        yield Violation("model.name", BAD_NAME)
    yield from labels_violations(model.labels, "model.labels")
    if len(model.regions) > 1:
        yield Violation("model.regions", texts.ONE_REGION)


def version_violations(version: Version, catalog: Catalog) -> Iterator[Violation]:
    if not is_resource_id(version.name):
        yield Violation("version.name", BAD_NAME)
    yield from labels_violations(version.labels, "version.labels")
    if version.container is None:
        yield from runtime_violations(version.runtime_version, version.python_version, catalog)
        if not version.deployment_uri:
            yield Violation("version.deployment_uri", texts.REQUIRED)
    if version.deployment_uri and not _GCS.fullmatch(version.deployment_uri):
        yield Violation("version.deployment_uri", texts.not_gcs(version.deployment_uri))
    if version.machine_type and version.machine_type not in catalog.machines.prediction:
        yield Violation("version.machine_type", texts.machine_unknown(version.machine_type))
    if version.auto_scaling is not None and version.manual_scaling is not None:
        yield Violation("version.manual_scaling", texts.ONE_SCALING)
    if version.machine_type.startswith("n1-"):
        if version.auto_scaling is not None and version.auto_scaling.min_nodes < 1:
            yield Violation("version.auto_scaling.min_nodes", texts.N1_MIN_NODES)
    elif version.accelerator_config is not None:
        yield Violation("version.accelerator_config", texts.N1_ACCELERATORS)


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise InvalidArgument.of(*violations)


def _region(region: str, catalog: Catalog) -> Iterator[Violation]:
    if region not in (options := catalog.training_regions):
        yield Violation("region", region_unavailable(region, options))


def _packages(spec: TrainingInput) -> Iterator[Violation]:
    if not spec.package_uris:
        yield Violation("package_uris", texts.PACKAGES_REQUIRED)
    if len(spec.package_uris) > MAX_PACKAGES:
        yield Violation("package_uris", texts.PACKAGES_TOO_MANY)
    for uri in spec.package_uris:
        if not _GCS.fullmatch(uri):
            yield Violation("package_uris", texts.not_gcs(uri))
    if not spec.python_module:
        yield Violation("python_module", texts.MODULE_REQUIRED)
    elif not _MODULE.fullmatch(spec.python_module):
        yield Violation("python_module", texts.module_form(spec.python_module))


def _scheduling(scheduling: Scheduling) -> Iterator[Violation]:
    if not 0 <= scheduling.priority <= MAX_PRIORITY:
        yield Violation("scheduling.priority", texts.PRIORITY_RANGE)
    if scheduling.max_wait_time and schema.duration_s(scheduling.max_wait_time) < MIN_WAIT_S:
        yield Violation("scheduling.max_wait_time", texts.WAIT_TIME_MINIMUM)
    if scheduling.max_running_time and schema.duration_s(scheduling.max_running_time) <= 0:
        yield Violation("scheduling.max_running_time", texts.RUNNING_TIME_POSITIVE)


class _Group(msgspec.Struct, frozen=True):
    """The replicas of one role."""

    role: str
    machine: str
    count: int
    config: ReplicaConfig | None


def _groups(spec: TrainingInput) -> list[_Group]:
    return [
        _Group("master", spec.master_type, 0, spec.master_config),
        _Group("worker", spec.worker_type, spec.worker_count, spec.worker_config),
        _Group(
            "parameter_server",
            spec.parameter_server_type,
            spec.parameter_server_count,
            spec.parameter_server_config,
        ),
        _Group("evaluator", spec.evaluator_type, spec.evaluator_count, spec.evaluator_config),
    ]


def _machines(spec: TrainingInput, catalog: Catalog) -> Iterator[Violation]:
    groups = _groups(spec)
    if spec.scale_tier != "CUSTOM":
        for group in groups:
            if group.machine or group.count:
                yield Violation(f"{group.role}_type", texts.CUSTOM_ONLY)
            if _accelerated(group):
                yield Violation(f"{group.role}_config.accelerator_config", texts.CUSTOM_ONLY)
        return
    if not spec.master_type:
        yield Violation("master_type", texts.MASTER_REQUIRED)
    for group in groups:
        yield from _group(group, spec.region, catalog)
    types = {group.machine for group in groups}
    if types & catalog.machines.legacy.keys() and types & catalog.machines.compute.keys():
        yield Violation("master_type", texts.ONE_FAMILY)
    yield from _tpus(groups, catalog)


def _group(group: _Group, region: str, catalog: Catalog) -> Iterator[Violation]:
    if group.count < 0:
        yield Violation(f"{group.role}_count", texts.NEGATIVE_COUNT)
    if group.count > 0 and not group.machine:
        yield Violation(f"{group.role}_type", texts.type_required(f"{group.role}_count"))
    if not group.machine:
        return
    if catalog.machines.training(group.machine) is None:
        yield Violation(f"{group.role}_type", texts.machine_unknown(group.machine))
    elif group.config is not None and group.config.accelerator_config is not None:
        at = f"{group.role}_config.accelerator_config"
        accelerator = group.config.accelerator_config
        for text in _accelerator(accelerator, group.machine, region, catalog):
            yield Violation(at, text)


def _tpus(groups: list[_Group], catalog: Catalog) -> Iterator[Violation]:
    """A TPU is the one worker of its job, and its software is named where the image is one's own.

    (Service reference §3.4.)
    """
    for group in groups:
        if group.machine not in catalog.machines.tpu:
            continue
        if group.role == "master":
            yield Violation("master_type", tpu_master(group.machine))
        elif group.role != "worker":
            yield Violation(f"{group.role}_type", texts.tpu_role(group.role, group.machine))
        elif group.count != 1:
            yield Violation("worker_count", texts.ONE_TPU)
        elif _own_image(groups) and not (group.config and group.config.tpu_tf_version):
            yield Violation("worker_config.tpu_tf_version", texts.TPU_TF_VERSION)


def _own_image(groups: list[_Group]) -> bool:
    return any(group.config and group.config.image_uri for group in groups[:1])


def _accelerated(group: _Group) -> bool:
    config = group.config.accelerator_config if group.config else None
    return config is not None and config != AcceleratorConfig()


def _container(group: _Group, image: str, spec: TrainingInput) -> Iterator[Violation]:
    """Command and arguments are for one's own image, in place of the job's arguments."""
    config = group.config or ReplicaConfig()
    for field in ("container_command", "container_args"):
        if not getattr(config, field):
            continue
        if not (config.image_uri or image):
            yield Violation(f"{group.role}_config.{field}", texts.OWN_IMAGE_ONLY)
        if spec.args:
            yield Violation(f"{group.role}_config.{field}", texts.NOT_WITH_ARGS)
    if config.tpu_tf_version and not (image and group.role == "worker"):
        yield Violation(f"{group.role}_config.tpu_tf_version", texts.TPU_TF_VERSION_ONLY)


def tpu_master(machine: str) -> str:
    return (
        "The specified machine type for masteris not supported in TPU training jobs: "  # sic
        f"{machine}"
    )


def _accelerator(
    config: AcceleratorConfig, machine: str, region: str, catalog: Catalog
) -> Iterator[str]:
    if config.type == _NO_TYPE and not config.count:
        return
    if machine in catalog.machines.legacy:
        yield texts.accelerators_on_legacy(machine)
        return
    allowed = catalog.counts.get(machine, {}).get(config.type, ())
    if config.count not in allowed:
        yield texts.accelerator_count(machine, config.type, config.count, allowed)
    known = catalog.regions.get(region)
    if known is not None and config.type not in known.accelerators:
        yield texts.accelerator_region(config.type, region)
