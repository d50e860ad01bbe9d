"""What the API needs of the rest of the emulator: a port for each kind of resource."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from emulator import unsupported
from emulator.catalog import Catalog, load
from emulator.fault_plan import FaultPlan
from emulator.logs import Entry, Span
from emulator.projects import Project
from emulator.resources import Job, Model, Operation, Version


class Projects(Protocol):
    """Raises NotFound (or PermissionDenied, as Google does) for a project that is not there."""

    def get(self, id_or_number: str) -> Project: ...
    def list(self) -> Sequence[Project]: ...
    def default(self) -> Project: ...


class Jobs(Protocol):
    """``submit`` gets a job that has passed ``validation.check_job``; it sees duplicates itself.

    Every method raises NotFound where the job is missing, ``patch`` Aborted for another etag.
    """

    async def submit(self, project_id: str, job: Job) -> Job: ...
    def get(self, project_id: str, job_id: str) -> Job: ...
    def list(self, project_id: str) -> Sequence[Job]: ...
    async def cancel(self, project_id: str, job_id: str) -> None: ...
    def patch(
        self, project_id: str, job_id: str, labels: dict[str, str] | None, etag: bytes
    ) -> Job:
        """Replace the labels unless None; a non-empty etag must be the current one."""
        ...


class Models(Protocol):
    """Models and their versions; ids are bare, ``mask`` holds snake_case paths.

    ``create`` and ``create_version`` get resources that have passed validation.
    """

    def create(self, project_id: str, model: Model) -> Model: ...
    def get(self, project_id: str, model_id: str) -> Model: ...
    def list(self, project_id: str) -> Sequence[Model]: ...
    async def patch(
        self, project_id: str, model_id: str, model: Model, mask: Sequence[str]
    ) -> Operation: ...
    async def delete(self, project_id: str, model_id: str) -> Operation: ...

    async def create_version(
        self, project_id: str, model_id: str, version: Version
    ) -> Operation: ...
    def get_version(self, project_id: str, model_id: str, version_id: str) -> Version: ...
    def list_versions(self, project_id: str, model_id: str) -> Sequence[Version]: ...
    async def patch_version(
        self, project_id: str, model_id: str, version_id: str, version: Version, mask: Sequence[str]
    ) -> Operation: ...
    async def delete_version(
        self, project_id: str, model_id: str, version_id: str
    ) -> Operation: ...
    def set_default(self, project_id: str, model_id: str, version_id: str) -> Version: ...


class Operations(Protocol):
    def get(self, project_id: str, operation_id: str) -> Operation: ...
    def list(self, project_id: str) -> Sequence[Operation]: ...
    async def cancel(self, project_id: str, operation_id: str) -> None: ...


class Prediction(Protocol):
    async def predict(self, name: str, body: bytes) -> tuple[int, bytes]:
        """Ask a model's default version, or a version, by full name; HTTP status and answer."""
        ...


class LogReader(Protocol):
    """``emulator.logs.Logs``, as far as it is read."""

    def jobs(self, project_id: str) -> Iterable[str]: ...
    def spans(self, project_id: str, job_id: str) -> Sequence[Span]: ...
    def entries(self, project_id: str, job_id: str, span: Span) -> Sequence[Entry]: ...


class Policies(Protocol):
    """IAM policies as JSON documents by full resource name (``emulator.policies``)."""

    def get(self, resource_name: str) -> bytes | None: ...
    def put(self, resource_name: str, policy: bytes) -> None: ...
    def forget(self, resource_name: str) -> None: ...


class Limits(Protocol):
    """What a valid request asks of the service that it does not do: refused as ApiError."""

    def check_job(self, job: Job, catalog: Catalog) -> None: ...
    def check_version(self, version: Version, catalog: Catalog) -> None: ...


class Timelines(Protocol):
    """The time of each project in seconds since the epoch, and how long its jobs are queued.

    ``ahead_s`` is how far it is ahead of this machine's.
    """

    def now(self, project_id: str) -> float: ...
    def ahead_s(self, project_id: str) -> float: ...
    def queue_delay_s(self, project_id: str) -> float: ...
    def queue_jobs(self, project_id: str, seconds: float) -> None: ...
    async def advance(self, project_id: str, seconds: float) -> None:
        """What falls due has begun afterwards; InvalidArgument for what cannot be skipped."""
        ...


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the API calls; ``clock`` answers this machine's seconds since the epoch.

    ``catalog`` is what jobs and versions are checked against.
    """

    projects: Projects
    jobs: Jobs
    models: Models
    operations: Operations
    predict: Prediction
    logs: LogReader
    policies: Policies
    clock: Callable[[], float]
    timelines: Timelines
    limits: Limits = unsupported
    catalog: Catalog = msgspec.field(default_factory=load)
    faults: FaultPlan = msgspec.field(default_factory=FaultPlan)
