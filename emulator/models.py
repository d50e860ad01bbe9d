"""Models and their versions as the API knows them; what takes time is an operation."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

import msgspec

from emulator import names, texts
from emulator.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound
from emulator.operations import CANCELLED, Operations
from emulator.resources import Model, Operation, Version
from emulator.rollout import RolloutFailed
from emulator.states import VersionState
from emulator.store import Record, Store

_T = TypeVar("_T")

MODELS: Final = "models"
VERSIONS: Final = "versions"
FAILED_PRECONDITION: Final = 9  # google.rpc code


class Deployments(Protocol):
    """``emulator.rollout.Rollout``, as far as models need it."""

    async def check(self, version: Version) -> None: ...
    async def deploy(self, name: str, version: Version) -> None: ...
    async def remove(self, name: str, version: Version) -> None: ...


class _ModelPrivate(msgspec.Struct, frozen=True):
    default: str = ""  # full name of the default version


class Models:
    """Create, look at, change and delete models and versions; ``resume`` after a restart.

    ``now`` answers the time of a project, in seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        operations: Operations,
        rollout: Deployments,
        now: Callable[[str], float],
    ) -> None:
        self._store = store
        self._operations = operations
        self._rollout = rollout
        self._now = now
        self._tasks: dict[str, asyncio.Task[None]] = {}

    # -- models

    def create(self, project_id: str, model: Model) -> Model:
        name = names.model_name(project_id, model.name)
        named = msgspec.structs.replace(
            model, name=name, default_version=None, regions=model.regions or ("us-central1",)
        )
        record = Record(
            MODELS,
            name,
            names.project_name(project_id),
            msgspec.json.encode(named),
            msgspec.json.encode(_ModelPrivate()),
        )
        if not self._store.insert(record):
            raise AlreadyExists.field("model.name", "A model with the same name already exists.")
        return self.get(project_id, model.name)

    def get(self, project_id: str, model_id: str) -> Model:
        return self._shown(self._model(names.model_name(project_id, model_id)))

    def list(self, project_id: str) -> Sequence[Model]:
        records = self._store.list(MODELS, names.project_name(project_id))
        return [self._shown(record) for record in sorted(records, key=lambda found: found.name)]

    async def patch(
        self, project_id: str, model_id: str, model: Model, mask: Sequence[str]
    ) -> Operation:
        """Change ``description``, ``labels`` or ``default_version.name``."""
        record = self._model(names.model_name(project_id, model_id))
        _check_etag(model.etag, self._shown(record).etag)
        if "default_version.name" in mask and model.default_version is not None:
            wanted = names.last_component(model.default_version.name)
            self.set_default(project_id, model_id, wanted)
            record = self._model(record.name)
        changed = _masked(_read(record, Model), model, mask)
        self._write(record, changed)
        operation = self._operations.begin(project_id, "UPDATE_MODEL", record.name)
        return self._operations.finish(operation.name)

    async def delete(self, project_id: str, model_id: str) -> Operation:
        """Delete a model that has no versions."""
        record = self._model(names.model_name(project_id, model_id))
        if self._store.list(VERSIONS, record.name):
            raise FailedPrecondition.field(
                "model.name",
                texts.DELETE_MODEL_WITH_VERSIONS,
            )
        operation = self._operations.begin(project_id, "DELETE_MODEL", record.name)
        self._store.delete(record.name)
        return self._operations.finish(operation.name)

    # -- versions

    async def create_version(self, project_id: str, model_id: str, version: Version) -> Operation:
        """Check what can be checked at once, store the version as CREATING, begin to deploy."""
        model = names.model_name(project_id, model_id)
        if self._store.get(model) is None:
            raise NotFound.field("parent", _missing_model(model_id))
        name = names.version_name(project_id, model_id, version.name)
        if self._store.get(name) is not None:
            raise _version_exists()
        await self._rollout.check(version)
        now = datetime.fromtimestamp(int(self._now(project_id)), UTC)
        created = msgspec.structs.replace(
            version, name=name, state=VersionState.CREATING, create_time=now
        )
        with self._store.transaction():
            if not self._store.insert(Record(VERSIONS, name, model, msgspec.json.encode(created))):
                raise _version_exists()
            operation = self._operations.begin(project_id, "CREATE_VERSION", model, created)
        self._begin(operation.name, self._deploy(operation.name, name))
        return operation

    def get_version(self, project_id: str, model_id: str, version_id: str) -> Version:
        return self._version(names.version_name(project_id, model_id, version_id))

    def list_versions(self, project_id: str, model_id: str) -> Sequence[Version]:
        model = self._model(names.model_name(project_id, model_id))
        records = self._store.list(VERSIONS, model.name)
        return [self._version(name) for name in sorted(record.name for record in records)]

    async def patch_version(
        self,
        project_id: str,
        model_id: str,
        version_id: str,
        version: Version,
        mask: Sequence[str],
    ) -> Operation:
        version_name = names.version_name(project_id, model_id, version_id)
        record = self._version_record(version_name)
        current = self._version(version_name)
        _check_etag(version.etag, current.etag)
        _refuse_busy(current)
        self._write(record, _masked(_read(record, Version), version, mask))
        operation = self._operations.begin(
            project_id, "UPDATE_VERSION", record.parent, self._version(version_name)
        )
        return self._operations.finish(operation.name, self._answered(version_name))

    async def delete_version(self, project_id: str, model_id: str, version_id: str) -> Operation:
        """Delete a version; the default one only when it is the last."""
        record = self._version_record(names.version_name(project_id, model_id, version_id))
        version = self._version(record.name)
        _refuse_busy(version)
        if version.is_default and len(self._store.list(VERSIONS, record.parent)) > 1:
            raise FailedPrecondition.field(
                "version.name",
                texts.DELETE_DEFAULT,
            )
        with self._store.transaction():
            self._write(
                record,
                msgspec.structs.replace(_read(record, Version), state=VersionState.DELETING),
            )
            operation = self._operations.begin(project_id, "DELETE_VERSION", record.parent, version)
        self._begin(operation.name, self._remove(operation.name, record.name))
        return operation

    def set_default(self, project_id: str, model_id: str, version_id: str) -> Version:
        model = self._model(names.model_name(project_id, model_id))
        name = names.version_name(project_id, model_id, version_id)
        version = self._version(name)
        if version.state != VersionState.READY:
            raise FailedPrecondition.field(
                "name", f"Version {version_id} is not ready: its state is {version.state}."
            )
        self._set_default(model, name)
        return self._version(name)

    def default_version(self, model_name: str) -> Version | None:
        """Answer the default version of a model (NotFound where the model is missing)."""
        return self._shown(self._model(model_name)).default_version

    def version(self, version_name: str) -> Version:
        return self._version(version_name)

    # -- a restart

    def resume(self) -> None:
        """Go on with every operation that was not done."""
        for operation in list(self._operations.unfinished()):
            metadata = operation.metadata
            if metadata is None or metadata.version is None:
                self._operations.finish(operation.name)
                continue
            name = metadata.version.name
            if self._store.get(name) is None:
                self._operations.finish(operation.name)
            elif metadata.operation_type == "CREATE_VERSION":
                self._begin(operation.name, self._deploy(operation.name, name))
            elif metadata.operation_type == "DELETE_VERSION":
                self._begin(operation.name, self._remove(operation.name, name))
            else:
                self._operations.finish(operation.name)

    async def close(self) -> None:
        """Let go of the operations in progress; a later start goes on with them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the work of operations

    def _begin(self, operation: str, work: Any) -> None:
        task = asyncio.create_task(work, name=operation)
        self._tasks[operation] = task
        task.add_done_callback(lambda _: self._tasks.pop(operation, None))

    async def _deploy(self, operation: str, name: str) -> None:
        work = asyncio.create_task(self._rollout.deploy(name, self._version(name)))
        wanted = asyncio.Event()

        def cancel() -> None:
            wanted.set()
            work.cancel()

        self._operations.cancellations[operation] = cancel
        try:
            await work
        except RolloutFailed as failure:
            self._fail_version(operation, name, FAILED_PRECONDITION, str(failure))
        except asyncio.CancelledError:
            if not wanted.is_set():  # the emulator ends: go on after its next start
                work.cancel()
                raise
            self._fail_version(operation, name, CANCELLED, "The operation was cancelled.")
        else:
            self._ready(operation, name)
        finally:
            self._operations.cancellations.pop(operation, None)

    def _ready(self, operation: str, name: str) -> None:
        record = self._version_record(name)
        with self._store.transaction():
            self._write(
                record, msgspec.structs.replace(_read(record, Version), state=VersionState.READY)
            )
            model = self._model(record.parent)
            if not msgspec.json.decode(model.private, type=_ModelPrivate).default:
                self._set_default(model, name)
            self._operations.finish(operation, self._answered(name))

    def _fail_version(self, operation: str, name: str, code: int, message: str) -> None:
        record = self._version_record(name)
        failed = msgspec.structs.replace(
            _read(record, Version), state=VersionState.FAILED, error_message=message
        )
        with self._store.transaction():
            self._write(record, failed)
            self._operations.fail(operation, code, message)

    async def _remove(self, operation: str, name: str) -> None:
        await self._rollout.remove(name, self._version(name))
        record = self._version_record(name)
        model = self._model(record.parent)
        with self._store.transaction():
            self._store.delete(name)
            if msgspec.json.decode(model.private, type=_ModelPrivate).default == name:
                self._set_default(model, "")
            self._operations.finish(operation)

    # -- records

    def _shown(self, record: Record) -> Model:
        model = _read(record, Model)
        default = msgspec.json.decode(record.private, type=_ModelPrivate).default
        version = self._version(default) if default else None
        return msgspec.structs.replace(
            model, default_version=version, etag=_etag(record.document + record.private)
        )

    def _answered(self, name: str) -> Version:
        """A version as an operation's response names it: by its bare id."""
        return msgspec.structs.replace(self._version(name), name=names.last_component(name))

    def _version(self, name: str) -> Version:
        record = self._version_record(name)
        model = self._model(record.parent)
        default = msgspec.json.decode(model.private, type=_ModelPrivate).default
        return msgspec.structs.replace(
            _read(record, Version), is_default=default == name, etag=_etag(record.document)
        )

    def _model(self, name: str) -> Record:
        record = self._store.get(name)
        if record is None:
            raise NotFound.field("name", _missing_model(names.last_component(name)))
        return record

    def _version_record(self, name: str) -> Record:
        record = self._store.get(name)
        if record is None:
            self._model(name.rsplit("/versions/", 1)[0])
            raise NotFound.field("name", texts.VERSION_NOT_FOUND)
        return record

    def _set_default(self, model: Record, version_name: str) -> None:
        private = msgspec.json.encode(_ModelPrivate(version_name))
        self._store.replace(msgspec.structs.replace(model, private=private))

    def _write(self, record: Record, resource: Model | Version) -> None:
        document = msgspec.json.encode(resource)
        self._store.replace(msgspec.structs.replace(record, document=document))


def _read(record: Record, kind: type[_T]) -> _T:
    return msgspec.json.decode(record.document, type=kind)


def _masked(current: Any, change: Any, mask: Sequence[str]) -> Any:
    """Take the fields that a mask names; ``auto_scaling.min_nodes`` and the like a level down."""
    fields: dict[str, Any] = {}
    for path in mask:
        head, _, rest = path.partition(".")
        if head not in current.__struct_fields__ or head in {"name", "default_version", "etag"}:
            continue
        value = getattr(change, head)
        old = fields.get(head, getattr(current, head))
        if rest and value is not None and old is not None:
            value = msgspec.structs.replace(old, **{rest: getattr(value, rest)})
        fields[head] = value
    return msgspec.structs.replace(current, **fields)


def _check_etag(given: bytes, current: bytes) -> None:
    if given and given != current:
        raise Aborted(texts.ETAG_MISMATCH)


def _etag(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:9]


def _refuse_busy(version: Version) -> None:
    if VersionState(version.state).is_busy:
        raise FailedPrecondition.field(
            "version.name",
            texts.version_busy(version.state),
        )


def _version_exists() -> AlreadyExists:
    return AlreadyExists.field("version.name", texts.VERSION_EXISTS)


def _missing_model(model_id: str) -> str:
    return (
        f'The model resource: "{model_id}" was not found. Please create the Cloud ML model '
        f"resource first by using 'gcloud ml-engine models create {model_id}'."
    )
