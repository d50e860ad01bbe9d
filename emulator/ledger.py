"""A job's record and its log: every change of state is written here, and by its table."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from emulator import lifecycle, texts
from emulator.cluster import Ref
from emulator.ends import Standing
from emulator.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound
from emulator.lifecycle import Failure
from emulator.logs import SERVICE, Logs
from emulator.names import project_name
from emulator.plan import MASTER
from emulator.projects import Projects
from emulator.resources import Job, TrainingOutput
from emulator.states import JobState
from emulator.store import Record, Store
from emulator.timelines import Timelines

KIND: Final = "jobs"
BASIC_UNITS: Final = 0.3878  # ML units an hour


class Private(msgspec.Struct, frozen=True):
    """What only the emulator keeps of a job.

    ``refs`` are its replicas, each in its latest life, and ``standing`` where they stand;
    neither before they are about to start. ``scale`` reduced the counts of this attempt.
    """

    project_id: str
    refs: tuple[Ref, ...] = ()
    standing: Standing | None = None
    scale: float = 1.0
    units_per_hour: float = BASIC_UNITS


class _Earlier(msgspec.Struct, frozen=True):
    """A record of the time when a job had one replica."""

    project_id: str
    ref: Ref | None = None
    restarts: int = 0


class Report(Protocol):
    """How a preparation tells what it does, in the service's own log lines."""

    def __call__(self, message: str, severity: str = "INFO", task: str = MASTER.label) -> None: ...


class Ledger:
    """Load, save and move jobs by full name; say things in their logs."""

    def __init__(self, store: Store, logs: Logs, projects: Projects, timelines: Timelines) -> None:
        self._store = store
        self.logs = logs
        self.projects = projects
        self.timelines = timelines

    def now(self, project_id: str) -> datetime:
        """The project's time in whole seconds, as the service's timestamps are."""
        return datetime.fromtimestamp(int(self.timelines.now(project_id)), UTC)

    def check_new(self, name: str) -> None:
        """AlreadyExists if there is a job of this name."""
        if self._store.get(name) is not None:
            raise _duplicate()

    def enter(self, name: str, job: Job, private: Private) -> None:
        """Store a new job as QUEUED; AlreadyExists if the name is taken."""
        now = self.now(private.project_id)
        queued = msgspec.structs.replace(job, state=JobState.QUEUED, create_time=now)
        if not self._store.insert(_record(name, queued, private)):
            raise _duplicate()

    def load(self, name: str) -> tuple[Job, Private]:
        record = self._store.get(name)
        if record is None:
            raise NotFound.field("name", texts.JOB_NOT_FOUND)
        return _with_etag(record.document), read_private(record.private)

    def save(self, name: str, job: Job, private: Private) -> None:
        self._store.replace(_record(name, job, private))

    def relabel(self, name: str, labels: dict[str, str] | None, etag: bytes) -> None:
        """Replace the labels unless None; Aborted if a non-empty etag is not the current one."""
        job, private = self.load(name)
        if etag and etag != job.etag:
            raise Aborted(texts.ETAG_MISMATCH)
        if labels is not None:
            self.save(name, msgspec.structs.replace(job, labels=labels), private)

    def unreadable(self, project_id: str) -> FailedPrecondition:
        """What is said of packages that are not there."""
        agent = self.projects.get(project_id).service_agent
        return FailedPrecondition.field(
            "package_uris",
            f"The provided GCS paths cannot be read by service account {agent}. If you just "
            "enabled the API, please try again after a few minutes.",
        )

    def of_project(self, project_id: str) -> list[Job]:
        """Newest first."""
        records = self._store.list(KIND, project_name(project_id))
        return [_with_etag(record.document) for record in records]

    def unfinished(self) -> Iterator[tuple[str, Private]]:
        """Jobs that have not ended, oldest first."""
        for record in reversed(self._store.list(KIND)):
            if not JobState(_with_etag(record.document).state).is_terminal:
                yield record.name, read_private(record.private)

    def state(self, name: str) -> JobState:
        return JobState(self.load(name)[0].state)

    def move(self, name: str, state: JobState, **fields: Any) -> None:
        job, private = self.load(name)
        if state == JobState.RUNNING:
            fields.setdefault("start_time", self.now(private.project_id))
        after = JobState(job.state).to(state)
        self.save(name, msgspec.structs.replace(job, state=after, **fields), private)

    def end(self, name: str, state: JobState, error: str = "") -> None:
        """Write the end of a job; one that is being cancelled ends as cancelled only."""
        job, private = self.load(name)
        if job.state == JobState.CANCELLING and state != JobState.CANCELLED:
            return
        now = self.now(private.project_id)
        hours = (now - (job.start_time or now)).total_seconds() / 3600
        units = round(hours * private.units_per_hour, 2)
        output = TrainingOutput(consumed_ml_units=units) if units else TrainingOutput()
        self.move(name, state, end_time=now, error_message=error, training_output=output)

    def fail(self, name: str, failures: Sequence[Failure]) -> None:
        """End a job as the service does when replicas failed: a block for each, in order."""
        job, private = self.load(name)
        number = str(self.projects.get(private.project_id).project_number)
        text = lifecycle.error_message(failures, project_number=number, job_id=job.job_id)
        self.say(name, text, severity="ERROR")
        self.say(name, "Finished tearing down training program.")
        self.say(name, "Job failed.")
        self.end(name, JobState.FAILED, text)

    def complete(self, name: str, task: str) -> None:
        """What the service's runner says in a replica whose module did well."""
        for text in (
            "Module completed; cleaning up.",
            "Clean up finished.",
            "Task completed successfully.",
        ):
            self.say(name, text, task=task)

    def succeed(self, name: str) -> None:
        """End a job as the service does when its primary replica did well."""
        self.say(name, "Job completed successfully.")
        self.end(name, JobState.SUCCEEDED)

    def say(self, name: str, message: str, *, severity: str = "INFO", task: str = SERVICE) -> None:
        """Write a log entry in the service's own words."""
        job, private = self.load(name)
        self.logs.write(
            private.project_id,
            job.job_id,
            message,
            time=self.timelines.now(private.project_id),
            severity=severity,
            task=task,
        )

    def reporter(self, name: str) -> Report:
        def report(message: str, severity: str = "INFO", task: str = MASTER.label) -> None:
            self.say(name, message, severity=severity, task=task)

        return report


def read_private(document: bytes) -> Private:
    """Read a record, also one of an emulator that knew single replicas only."""
    private = msgspec.json.decode(document, type=Private)
    if private.refs or b'"ref":{' not in document:
        return private
    earlier = msgspec.json.decode(document, type=_Earlier)
    if earlier.ref is None:
        return private
    retries, restarts = divmod(earlier.restarts, lifecycle.RESTARTS_PER_REPLICA + 1)
    standing = Standing((MASTER,), retries, {MASTER.label: restarts})
    return Private(earlier.project_id, (earlier.ref,), standing)


def _record(name: str, job: Job, private: Private) -> Record:
    plain = msgspec.structs.replace(job, etag=b"")
    return Record(
        KIND,
        name,
        project_name(private.project_id),
        msgspec.json.encode(plain),
        msgspec.json.encode(private),
    )


def _with_etag(document: bytes) -> Job:
    """An etag is what the document's content makes it: nothing to store, nothing to forget."""
    etag = hashlib.sha256(document).digest()[:9]
    return msgspec.structs.replace(msgspec.json.decode(document, type=Job), etag=etag)


def _duplicate() -> AlreadyExists:
    return AlreadyExists.field("job.job_id", "A job with this id already exists.")
