"""Long-running operations: written before their work begins, ended by it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from emulator import texts
from emulator.errors import NotFound
from emulator.names import components, operation_name, project_name
from emulator.projects import number_of
from emulator.resources import Operation, OperationMetadata, Status, Version
from emulator.store import Record, Store

KIND: Final = "operations"
CANCELLED: Final = 1  # google.rpc code

OperationType = Literal[
    "CREATE_VERSION", "DELETE_VERSION", "DELETE_MODEL", "UPDATE_MODEL", "UPDATE_VERSION"
]


class Operations:
    """Begin, end, get, list and cancel operations; ``now`` answers the time of a project."""

    def __init__(self, store: Store, now: Callable[[str], float]) -> None:
        self._store = store
        self._now = now
        self.cancellations: dict[str, Callable[[], None]] = {}

    def get(self, project_id: str, operation_id: str) -> Operation:
        return self._load(operation_name(project_id, operation_id))

    async def cancel(self, project_id: str, operation_id: str) -> None:
        """Ask an operation to end; nothing happens to one that is done."""
        name = operation_name(project_id, operation_id)
        operation = self._load(name)
        if operation.done or operation.metadata is None:
            return
        metadata = msgspec.structs.replace(operation.metadata, is_cancellation_requested=True)
        self._save(msgspec.structs.replace(operation, metadata=metadata))
        if name in self.cancellations:
            self.cancellations[name]()

    def unfinished(self) -> Iterator[Operation]:
        """Oldest first."""
        for record in reversed(self._store.list(KIND)):
            operation = msgspec.json.decode(record.document, type=Operation)
            if not operation.done:
                yield operation

    def begin(
        self, project_id: str, kind: OperationType, model_name: str, version: Version | None = None
    ) -> Operation:
        """Store a new operation on a model or one of its versions."""
        words = [kind.split("_")[0].lower()]
        if kind in {"DELETE_MODEL", "UPDATE_MODEL"}:
            words.append("model")
        words.append(model_name.rsplit("/", 1)[-1])
        if version is not None:
            words.append(version.name.rsplit("/", 1)[-1])
        seconds = self._now(project_id)
        now = datetime.fromtimestamp(seconds, UTC)
        metadata = OperationMetadata(
            create_time=now,
            start_time=now,
            operation_type=kind,
            model_name=model_name,
            version=version,
            project_number=number_of(project_id),
        )
        stamp = int(seconds * 1000)
        while True:
            operation_id = f"{'_'.join(words)}-{stamp}"
            operation = Operation(name=operation_name(project_id, operation_id), metadata=metadata)
            document = msgspec.json.encode(operation)
            if self._store.insert(Record(KIND, operation.name, project_name(project_id), document)):
                return operation
            stamp += 1

    def finish(self, name: str, response: Version | None = None) -> Operation:
        """End an operation well."""
        return self._end(name, response=response)

    def fail(self, name: str, code: int, message: str) -> Operation:
        """End an operation with a google.rpc code and a sentence."""
        return self._end(name, error=Status(code=code, message=message))

    def list(self, project_id: str) -> list[Operation]:
        """Newest first."""
        records = self._store.list(KIND, project_name(project_id))
        return [msgspec.json.decode(record.document, type=Operation) for record in records]

    def _end(
        self, name: str, *, response: Version | None = None, error: Status | None = None
    ) -> Operation:
        operation = self._load(name)
        metadata = operation.metadata or OperationMetadata()
        now = self._now(components(name)["projects"])
        ended = msgspec.structs.replace(
            operation,
            done=True,
            response=response,
            error=error,
            metadata=msgspec.structs.replace(
                metadata,
                end_time=datetime.fromtimestamp(now, UTC),
                version=response or metadata.version,
            ),
        )
        self._save(ended)
        return ended

    def _save(self, operation: Operation) -> None:
        parent = operation.name.rsplit("/operations/", 1)[0]
        self._store.replace(Record(KIND, operation.name, parent, msgspec.json.encode(operation)))

    def _load(self, name: str) -> Operation:
        record = self._store.get(name)
        if record is None:
            raise NotFound.field("name", texts.OPERATION_NOT_FOUND)
        return msgspec.json.decode(record.document, type=Operation)
