"""The application with real logs, policies and projects, and jobs and models in memory."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from msgspec.structs import replace
from starlette.applications import Starlette

from emulator import names, texts
from emulator.api import application
from emulator.api.services import Services
from emulator.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound
from emulator.logs import Logs
from emulator.policies import Policies
from emulator.projects import Projects
from emulator.resources import Job, Model, Operation, OperationMetadata, Version
from emulator.store import Store
from emulator.timelines import Timelines

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODEL_NOT_FOUND = (
    'The model resource: "{0}" was not found. Please create the Cloud ML model resource first '
    "by using 'gcloud ml-engine models create {0}'."
)


class FakeJobs:
    """Jobs that stay queued until cancelled."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Job] = {}

    async def submit(self, project_id: str, job: Job) -> Job:
        key = (project_id, job.job_id)
        if key in self.kept:
            raise AlreadyExists.field("job.job_id", "A job with this id already exists.")
        etag = bytes([len(self.kept) % 256])
        self.kept[key] = replace(job, state="QUEUED", create_time=NOW, etag=etag)
        return self.kept[key]

    def get(self, project_id: str, job_id: str) -> Job:
        if (project_id, job_id) not in self.kept:
            raise NotFound.field("name", texts.JOB_NOT_FOUND)
        return self.kept[project_id, job_id]

    def list(self, project_id: str) -> Sequence[Job]:
        return [job for (project, _), job in reversed(self.kept.items()) if project == project_id]

    async def cancel(self, project_id: str, job_id: str) -> None:
        cancelled = replace(self.get(project_id, job_id), state="CANCELLED", end_time=NOW)
        self.kept[project_id, job_id] = cancelled

    def patch(
        self, project_id: str, job_id: str, labels: dict[str, str] | None, etag: bytes
    ) -> Job:
        job = self.get(project_id, job_id)
        if etag and etag != job.etag:
            raise Aborted(texts.ETAG_MISMATCH)
        if labels is not None:
            job = replace(job, labels=labels, etag=job.etag + b"+")
        self.kept[project_id, job_id] = job
        return job


class FakeOperations:
    """Operations that are done when they are made."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Operation] = {}

    def done(
        self, project_id: str, kind: str, model_id: str, version: Version | None = None
    ) -> Operation:
        number = len(self.kept) + 1
        operation_id = f"{kind.lower()}_{model_id}-{number}"
        metadata = OperationMetadata(
            create_time=NOW,
            end_time=NOW,
            operation_type=kind,
            model_name=names.model_name(project_id, model_id),
            version=version,
            project_number=123,
        )
        response = version if kind == "CREATE_VERSION" else None
        name = names.operation_name(project_id, operation_id)
        made = Operation(name=name, metadata=metadata, done=True, response=response)
        self.kept[project_id, operation_id] = made
        return made

    def get(self, project_id: str, operation_id: str) -> Operation:
        if (project_id, operation_id) not in self.kept:
            raise NotFound.field("name", texts.OPERATION_NOT_FOUND)
        return self.kept[project_id, operation_id]

    def list(self, project_id: str) -> Sequence[Operation]:
        return [made for (project, _), made in self.kept.items() if project == project_id]

    async def cancel(self, project_id: str, operation_id: str) -> None:
        self.get(project_id, operation_id)


class FakeModels:
    """Models whose versions are ready at once."""

    def __init__(self, operations: FakeOperations) -> None:
        self.operations = operations
        self.kept: dict[tuple[str, str], Model] = {}
        self.versions: dict[tuple[str, str], dict[str, Version]] = {}

    def create(self, project_id: str, model: Model) -> Model:
        key = (project_id, model.name)
        if key in self.kept:
            raise AlreadyExists.field("model.name", "A model with the same name already exists.")
        self.kept[key] = replace(model, name=names.model_name(*key), etag=b"m")
        self.versions[key] = {}
        return self.kept[key]

    def get(self, project_id: str, model_id: str) -> Model:
        if (project_id, model_id) not in self.kept:
            raise NotFound.field("name", MODEL_NOT_FOUND.format(model_id))
        return self.kept[project_id, model_id]

    def list(self, project_id: str) -> Sequence[Model]:
        return [model for (project, _), model in self.kept.items() if project == project_id]

    async def patch(
        self, project_id: str, model_id: str, model: Model, mask: Sequence[str]
    ) -> Operation:
        changes = {path: getattr(model, path) for path in mask if "." not in path}
        changed = replace(self.get(project_id, model_id), **changes)
        self.kept[project_id, model_id] = changed
        return self.operations.done(project_id, "UPDATE_MODEL", model_id)

    async def delete(self, project_id: str, model_id: str) -> Operation:
        self.get(project_id, model_id)
        if self.versions[project_id, model_id]:
            raise FailedPrecondition.field("model.name", texts.DELETE_MODEL_WITH_VERSIONS)
        del self.kept[project_id, model_id]
        return self.operations.done(project_id, "DELETE_MODEL", model_id)

    async def create_version(self, project_id: str, model_id: str, version: Version) -> Operation:
        model = self.get(project_id, model_id)
        name = names.version_name(project_id, model_id, version.name)
        first = not self.versions[project_id, model_id]
        made = replace(version, name=name, state="READY", create_time=NOW, is_default=first)
        self.versions[project_id, model_id][version.name] = made
        if first:
            self.kept[project_id, model_id] = replace(model, default_version=made)
        return self.operations.done(project_id, "CREATE_VERSION", model_id, made)

    def get_version(self, project_id: str, model_id: str, version_id: str) -> Version:
        self.get(project_id, model_id)
        if version_id not in self.versions[project_id, model_id]:
            raise NotFound.field("name", texts.VERSION_NOT_FOUND)
        return self.versions[project_id, model_id][version_id]

    def list_versions(self, project_id: str, model_id: str) -> Sequence[Version]:
        self.get(project_id, model_id)
        return list(self.versions[project_id, model_id].values())

    async def patch_version(
        self, project_id: str, model_id: str, version_id: str, version: Version, mask: Sequence[str]
    ) -> Operation:
        changes = {path: getattr(version, path) for path in mask if "." not in path}
        changed = replace(self.get_version(project_id, model_id, version_id), **changes)
        self.versions[project_id, model_id][version_id] = changed
        return self.operations.done(project_id, "UPDATE_VERSION", model_id, changed)

    async def delete_version(self, project_id: str, model_id: str, version_id: str) -> Operation:
        gone = self.get_version(project_id, model_id, version_id)
        del self.versions[project_id, model_id][version_id]
        return self.operations.done(project_id, "DELETE_VERSION", model_id, gone)

    def set_default(self, project_id: str, model_id: str, version_id: str) -> Version:
        version = replace(self.get_version(project_id, model_id, version_id), is_default=True)
        model = replace(self.get(project_id, model_id), default_version=version)
        self.kept[project_id, model_id] = model
        return version


class FakePrediction:
    """Answers the request's own bytes, and which version was asked."""

    async def predict(self, name: str, body: bytes) -> tuple[int, bytes]:
        if body == b"fail":
            return 400, b'{"error": "Prediction failed: unknown error."}'
        return 200, b'{"predictions": ["%s", %s]}' % (name.encode(), body)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    opened = Logs(tmp_path / "logs")
    yield opened
    opened.close()


@pytest.fixture
def services(tmp_path: Path, logs: Logs) -> Iterator[Services]:
    store = Store(tmp_path / "emulator.db")
    operations = FakeOperations()
    yield Services(
        projects=Projects("demo", "2026-01-02T03:04:05Z"),
        jobs=FakeJobs(),
        models=FakeModels(operations),
        operations=operations,
        predict=FakePrediction(),
        logs=logs,
        policies=Policies(store),
        clock=NOW.timestamp,
        timelines=Timelines(store, NOW.timestamp),
    )
    store.close()


@pytest.fixture
def app(services: Services) -> Starlette:
    return application(services)


class Asking:
    """Requests to the application, one event loop each."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    def __call__(self, verb: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask(verb, path, options))

    async def _ask(self, verb: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(verb, path, **options)


@pytest.fixture
def ask(app: Starlette) -> Asking:
    return Asking(app)


@pytest.fixture
def served(app: Starlette) -> Iterator[str]:
    """The application under a real server; answers its URL."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the server does not start"
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def job() -> dict[str, object]:
    """A job that the emulator takes, in the form that gcloud sends."""
    return {
        "jobId": "job_1",
        "labels": {"owner": "x"},
        "trainingInput": {
            "args": ["--steps", "1"],
            "enableWebAccess": False,
            "jobDir": "gs://bucket/out",
            "packageUris": ["gs://bucket/trainer-0.1.tar.gz"],
            "pythonModule": "trainer.task",
            "pythonVersion": "3.7",
            "region": "us-central1",
            "runtimeVersion": "2.11",
        },
    }
