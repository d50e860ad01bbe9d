"""The service's sentences that no public report confirms: our proposals in its style.

Every text here is [unverified]; what was seen literally stands where it is raised.
Whoever finds the real wording changes it here and nowhere else.
"""

from typing import Final

ONE_INPUT: Final = "Exactly one of training_input and prediction_input must be specified."
MASTER_REQUIRED: Final = "Master type must be specified for the CUSTOM scale tier."
CUSTOM_ONLY: Final = "Must not be set unless scale tier is CUSTOM."
ONE_FAMILY: Final = (
    "All machine types of a job must be of one kind: Compute Engine types or legacy types."
)
ONE_TPU: Final = "The worker count must be 1 when the worker type is a TPU."
TPU_TF_VERSION: Final = (
    "The TPU TensorFlow version must be specified for TPU training with a custom container."
)
TPU_TF_VERSION_ONLY: Final = (
    "The TPU TensorFlow version can only be specified for a TPU worker with a custom container."
)
OWN_IMAGE_ONLY: Final = "This field can only be set when a custom container image is provided."
NOT_WITH_ARGS: Final = "This field and args cannot both be set."
NEGATIVE_COUNT: Final = "The number of replicas must not be negative."
PACKAGES_REQUIRED: Final = "At least one package must be specified."
PACKAGES_TOO_MANY: Final = "At most 100 packages may be specified."
MODULE_REQUIRED: Final = "A Python module must be specified."
RUNTIME_OR_IMAGE: Final = "Only one of runtime version and container image may be specified."
PRIORITY_RANGE: Final = "The priority must be between 0 and 1000."
WAIT_TIME_MINIMUM: Final = "The maximum waiting time must be at least 1800s."
RUNNING_TIME_POSITIVE: Final = "The maximum running time must be positive."
LABELS_TOO_MANY: Final = "A resource may have at most 64 labels."
ONE_REGION: Final = "At most one region may be specified."
ONE_SCALING: Final = "Only one of auto_scaling and manual_scaling may be specified."
N1_ACCELERATORS: Final = "Accelerators can only be used with Compute Engine (N1) machine types."
N1_MIN_NODES: Final = "The minimum number of nodes must be at least 1 for this machine type."
REQUIRED: Final = "This field is required."
ONE_MODEL: Final = "Exactly one of model_name, version_name and uri must be specified."
MASK_REQUIRED: Final = "The update mask must name at least one field."
BAD_PAGE_TOKEN: Final = "The page token is not valid."  # noqa: S105 no password
BAD_PAGE_SIZE: Final = "The page size must not be negative."
BAD_FILTER: Final = "The filter is not valid"
VERSION_EXISTS: Final = "A version with the same name already exists."
VERSION_NOT_FOUND: Final = "The specified model version was not found."
JOB_NOT_FOUND: Final = "The specified job was not found."
OPERATION_NOT_FOUND: Final = "The specified operation was not found."
LOCATION_NOT_FOUND: Final = "The specified location was not found."
DELETE_DEFAULT: Final = (
    "The default version cannot be deleted. Please set another version as the default first."
)
DELETE_MODEL_WITH_VERSIONS: Final = (
    "Cannot delete a model with existing versions. Please delete its versions first."
)
ETAG_MISMATCH: Final = "The etag does not match: the resource was changed meanwhile."
CROSS_ORIGIN: Final = "Requests from web pages of another origin are refused."
CREDENTIALS_EXPIRED: Final = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
STORAGE_UNAVAILABLE: Final = "We encountered an internal error. Please try again."
STORAGE_TOO_MANY: Final = "The project exceeded the rate limit for requests. Please slow down."
STORAGE_TIMEOUT: Final = "The request timed out. Please try again."


def no_default_version(model_id: str) -> str:
    return (
        f"The model {model_id} has no default version. Create a version, or name one in the "
        "request."
    )


def version_busy(state: str) -> str:
    return f"Another operation is in progress on this version (its state is {state})."


def machine_unknown(name: str) -> str:
    return f"The specified machine type is not supported: {name}"


def type_required(count_field: str) -> str:
    return f"A machine type must be specified when {count_field} is set."


def tpu_role(role: str, machine: str) -> str:
    return f"The specified machine type for {role} is not supported in TPU training jobs: {machine}"


def accelerators_on_legacy(machine: str) -> str:
    return f"Accelerators cannot be attached to the machine type {machine}."


def accelerator_count(machine: str, accelerator: str, count: int, allowed: tuple[int, ...]) -> str:
    if not allowed:
        return f"The accelerator {accelerator} is not available for the machine type {machine}."
    options = ", ".join(map(str, allowed))
    return (
        f"The accelerator count {count} of {accelerator} is not valid for the machine type "
        f"{machine}. Options are [{options}]."
    )


def accelerator_region(accelerator: str, region: str) -> str:
    return f"The accelerator {accelerator} is not available in region {region}."


def not_gcs(uri: str) -> str:
    return f"The path '{uri}' is not a Cloud Storage path: it must start with gs://."


def module_form(name: str) -> str:
    return f"'{name}' is not the name of a Python module."


def label_form(key: str) -> str:
    return (
        f"The label '{key}' is not valid: keys and values have at most 63 lower-case letters, "
        "digits, underscores and dashes, and a key starts with a letter."
    )


def mask_unsupported(path: str, allowed: tuple[str, ...]) -> str:
    return f"The field '{path}' cannot be updated. Options are [{', '.join(allowed)}]."


def prediction_quota(project_number: int) -> str:
    return (
        "Quota exceeded for quota metric 'Online prediction requests' and limit 'Online prediction "
        "requests per minute' of service 'ml.googleapis.com' for consumer "
        f"'project_number:{project_number}'."
    )
