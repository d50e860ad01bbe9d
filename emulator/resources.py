"""The API's resources as values, named as the published schema names them.

Inside, integers are integers, times are aware datetimes and etags are bytes; ``encode``
gives the published JSON: int64 as strings, defaults omitted, camelCase, RFC 3339 with Z.
"""

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from emulator import schema

_T = TypeVar("_T")
_PREFIX: Final = "GoogleCloudMlV1__"
_TYPE_URL: Final = "type.googleapis.com/google.cloud.ml.v1."


class Message(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """A message of the published schema."""


class AcceleratorConfig(Message, frozen=True):
    count: int = 0
    type: str = "ACCELERATOR_TYPE_UNSPECIFIED"


class DiskConfig(Message, frozen=True):
    boot_disk_type: str = ""
    boot_disk_size_gb: int = 0


class ReplicaConfig(Message, frozen=True):
    accelerator_config: AcceleratorConfig | None = None
    image_uri: str = ""
    container_command: tuple[str, ...] = ()
    container_args: tuple[str, ...] = ()
    disk_config: DiskConfig | None = None
    tpu_tf_version: str = ""


class Scheduling(Message, frozen=True):
    """Durations as text (``"3600s"``); ``schema.duration_s`` reads them."""

    max_running_time: str = ""
    max_wait_time: str = ""
    priority: int = 0


class EncryptionConfig(Message, frozen=True):
    kms_key_name: str = ""


class ParameterSpec(Message, frozen=True):
    parameter_name: str = ""
    type: str = "PARAMETER_TYPE_UNSPECIFIED"
    min_value: float = 0.0
    max_value: float = 0.0
    categorical_values: tuple[str, ...] = ()
    discrete_values: tuple[float, ...] = ()
    scale_type: str = "NONE"


class HyperparameterSpec(Message, frozen=True):
    goal: str = "GOAL_TYPE_UNSPECIFIED"
    params: tuple[ParameterSpec, ...] = ()
    max_trials: int = 0
    max_parallel_trials: int = 0
    max_failed_trials: int = 0
    hyperparameter_metric_tag: str = ""
    algorithm: str = "ALGORITHM_UNSPECIFIED"
    enable_trial_early_stopping: bool = False
    resume_previous_job_id: str = ""


class TrainingInput(Message, frozen=True):
    scale_tier: str = "BASIC"
    master_type: str = ""
    master_config: ReplicaConfig | None = None
    worker_type: str = ""
    worker_count: int = 0
    worker_config: ReplicaConfig | None = None
    parameter_server_type: str = ""
    parameter_server_count: int = 0
    parameter_server_config: ReplicaConfig | None = None
    evaluator_type: str = ""
    evaluator_count: int = 0
    evaluator_config: ReplicaConfig | None = None
    package_uris: tuple[str, ...] = ()
    python_module: str = ""
    args: tuple[str, ...] = ()
    hyperparameters: HyperparameterSpec | None = None
    region: str = ""
    job_dir: str = ""
    runtime_version: str = ""
    python_version: str = ""
    scheduling: Scheduling | None = None
    network: str = ""
    service_account: str = ""
    encryption_config: EncryptionConfig | None = None
    use_chief_in_tf_config: bool = False
    enable_web_access: bool = False


class BuiltInAlgorithmOutput(Message, frozen=True):
    framework: str = ""
    runtime_version: str = ""
    python_version: str = ""
    model_path: str = ""


class HyperparameterMetric(Message, frozen=True):
    training_step: int = 0
    objective_value: float = 0.0


class HyperparameterOutput(Message, frozen=True):
    trial_id: str = ""
    hyperparameters: dict[str, str] = {}
    final_metric: HyperparameterMetric | None = None
    is_trial_stopped_early: bool = False
    all_metrics: tuple[HyperparameterMetric, ...] = ()
    start_time: datetime | None = None
    end_time: datetime | None = None
    state: str = "STATE_UNSPECIFIED"
    built_in_algorithm_output: BuiltInAlgorithmOutput | None = None
    web_access_uris: dict[str, str] = {}


class TrainingOutput(Message, frozen=True):
    completed_trial_count: int = 0
    trials: tuple[HyperparameterOutput, ...] = ()
    consumed_ml_units: float = msgspec.field(default=0.0, name="consumedMLUnits")
    is_hyperparameter_tuning_job: bool = False
    is_built_in_algorithm_job: bool = False
    built_in_algorithm_output: BuiltInAlgorithmOutput | None = None
    hyperparameter_metric_tag: str = ""
    web_access_uris: dict[str, str] = {}


class PredictionInput(Message, frozen=True):
    model_name: str = ""
    version_name: str = ""
    uri: str = ""
    data_format: str = "DATA_FORMAT_UNSPECIFIED"
    input_paths: tuple[str, ...] = ()
    output_path: str = ""
    region: str = ""
    output_data_format: str = "DATA_FORMAT_UNSPECIFIED"
    max_worker_count: int = 0
    batch_size: int = 0
    runtime_version: str = ""
    signature_name: str = ""


class PredictionOutput(Message, frozen=True):
    output_path: str = ""
    prediction_count: int = 0
    error_count: int = 0
    node_hours: float = 0.0


class Job(Message, frozen=True):
    job_id: str = ""
    training_input: TrainingInput | None = None
    prediction_input: PredictionInput | None = None
    labels: dict[str, str] = {}
    etag: bytes = b""
    state: str = "STATE_UNSPECIFIED"
    create_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    error_message: str = ""
    job_position: int = 0
    training_output: TrainingOutput | None = None
    prediction_output: PredictionOutput | None = None


class MetricSpec(Message, frozen=True):
    name: str = "METRIC_NAME_UNSPECIFIED"
    target: int = 0


class AutoScaling(Message, frozen=True):
    min_nodes: int = 0
    max_nodes: int = 0
    metrics: tuple[MetricSpec, ...] = ()


class ManualScaling(Message, frozen=True):
    nodes: int = 0


class EnvVar(Message, frozen=True):
    name: str = ""
    value: str = ""


class ContainerPort(Message, frozen=True):
    container_port: int = 0


class ContainerSpec(Message, frozen=True):
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()


class RouteMap(Message, frozen=True):
    predict: str = ""
    health: str = ""


class IntegratedGradientsAttribution(Message, frozen=True):
    num_integral_steps: int = 0


class SampledShapleyAttribution(Message, frozen=True):
    num_paths: int = 0


class XraiAttribution(Message, frozen=True):
    num_integral_steps: int = 0


class ExplanationConfig(Message, frozen=True):
    integrated_gradients_attribution: IntegratedGradientsAttribution | None = None
    sampled_shapley_attribution: SampledShapleyAttribution | None = None
    xrai_attribution: XraiAttribution | None = None


class RequestLoggingConfig(Message, frozen=True):
    bigquery_table_name: str = ""
    sampling_percentage: float = 0.0


class Version(Message, frozen=True):
    """``name`` is a bare id on create and the full name in everything that is answered."""

    name: str = ""
    description: str = ""
    is_default: bool = False
    deployment_uri: str = ""
    create_time: datetime | None = None
    last_use_time: datetime | None = None
    runtime_version: str = ""
    python_version: str = ""
    framework: str = "FRAMEWORK_UNSPECIFIED"
    machine_type: str = ""
    auto_scaling: AutoScaling | None = None
    manual_scaling: ManualScaling | None = None
    accelerator_config: AcceleratorConfig | None = None
    state: str = "UNKNOWN"
    error_message: str = ""
    package_uris: tuple[str, ...] = ()
    prediction_class: str = ""
    labels: dict[str, str] = {}
    etag: bytes = b""
    service_account: str = ""
    container: ContainerSpec | None = None
    routes: RouteMap | None = None
    explanation_config: ExplanationConfig | None = None
    request_logging_config: RequestLoggingConfig | None = None
    last_migration_time: datetime | None = None
    last_migration_model_id: str = ""


class Model(Message, frozen=True):
    """``name`` is a bare id on create and the full name in everything that is answered."""

    name: str = ""
    description: str = ""
    default_version: Version | None = None
    regions: tuple[str, ...] = ()
    online_prediction_logging: bool = False
    online_prediction_console_logging: bool = False
    labels: dict[str, str] = {}
    etag: bytes = b""


class OperationMetadata(Message, frozen=True):
    create_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    is_cancellation_requested: bool = False
    operation_type: str = "OPERATION_TYPE_UNSPECIFIED"
    model_name: str = ""
    version: Version | None = None
    project_number: int = 0
    labels: dict[str, str] = {}


class Status(Message, frozen=True):
    """google.rpc.Status: ``code`` is a google.rpc code, not an HTTP status."""

    code: int = 0
    message: str = ""


class Operation(Message, frozen=True):
    """Done with ``error``, or with ``response`` (a Version, or nothing for Empty)."""

    name: str = ""
    metadata: OperationMetadata | None = None
    done: bool = False
    error: Status | None = None
    response: Version | None = None


class Capability(Message, frozen=True):
    type: str = "TYPE_UNSPECIFIED"
    available_accelerators: tuple[str, ...] = ()


class Location(Message, frozen=True):
    name: str = ""
    capabilities: tuple[Capability, ...] = ()


class Config(Message, frozen=True):
    tpu_service_account: str = ""


class GetConfigResponse(Message, frozen=True):
    service_account: str = ""
    service_account_project: int = 0
    config: Config | None = None


_MESSAGE_OF: Final[dict[type[Any], str]] = {
    Status: "GoogleRpc__Status",
    HyperparameterMetric: "GoogleCloudMlV1_HyperparameterOutput_HyperparameterMetric",
}


def message_of(resource: type[Any]) -> str:
    """The schema's name of a resource class."""
    return _MESSAGE_OF.get(resource, _PREFIX + resource.__name__)


def decode(document: dict[str, Any], kind: type[_T]) -> _T:
    """Turn what ``schema.read`` answered into a resource."""
    return msgspec.convert(document, kind)


def encode(resource: msgspec.Struct) -> dict[str, Any]:
    """Give a resource the published JSON form."""
    if isinstance(resource, Operation):
        return _encode_operation(resource)
    fields: dict[str, Any] = msgspec.to_builtins(resource)
    return schema.publish(message_of(type(resource)), fields)


def _encode_operation(operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"name": operation.name}
    if operation.metadata is not None:
        answer["metadata"] = _packed(operation.metadata)
    if operation.done:
        answer["done"] = True
    if operation.error is not None:
        answer["error"] = encode(operation.error)
    elif operation.done and operation.response is not None:
        answer["response"] = _packed(operation.response)
    elif operation.done:
        answer["response"] = {"@type": "type.googleapis.com/google.protobuf.Empty"}
    return answer


def _packed(resource: msgspec.Struct) -> dict[str, Any]:
    """A message within google.protobuf.Any."""
    return {"@type": _TYPE_URL + type(resource).__name__, **encode(resource)}
