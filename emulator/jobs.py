"""Jobs as the API knows them: submit, get, list, cancel, patch; and a restart's resume."""

import asyncio
from typing import Protocol

from emulator.course import Course, Prepare
from emulator.errors import FailedPrecondition
from emulator.grounds import Grounds
from emulator.ledger import Ledger, Private
from emulator.names import GcsUri, job_name
from emulator.objects import StoredObject
from emulator.resources import Job, TrainingInput
from emulator.states import JobState


class Storage(Protocol):
    """``emulator.objects.Objects``, as far as a submission asks it."""

    async def stat(self, uri: GcsUri) -> StoredObject | None: ...
    async def bucket_exists(self, bucket: str) -> bool: ...


class Jobs:
    """All jobs; at most ``at_once`` of them prepare or run at a time, the rest are queued."""

    def __init__(
        self,
        ledger: Ledger,
        objects: Storage,
        grounds: Grounds,
        prepare: Prepare,
        *,
        at_once: int,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._grounds = grounds
        self._prepare = prepare
        self._slots = asyncio.Semaphore(at_once)
        self._courses: dict[str, tuple[Course, asyncio.Task[None]]] = {}

    async def submit(self, project_id: str, job: Job) -> Job:
        """Store a valid job as QUEUED and begin with it; its packages must be readable."""
        name = job_name(project_id, job.job_id)
        self._ledger.check_new(name)
        await self._check_reachable(project_id, job)
        self._ledger.enter(name, job, Private(project_id))
        for text in (
            "Validating job requirements...",
            "Job creation request has been successfully validated.",
            f"Job {job.job_id} is queued.",
        ):
            self._ledger.say(name, text)
        self._begin(name)
        return self.get(project_id, job.job_id)

    def get(self, project_id: str, job_id: str) -> Job:
        return self._ledger.load(job_name(project_id, job_id))[0]

    def list(self, project_id: str) -> list[Job]:
        """Newest first."""
        return self._ledger.of_project(project_id)

    async def cancel(self, project_id: str, job_id: str) -> None:
        """Begin to end a job; nothing happens to one that has ended."""
        name = job_name(project_id, job_id)
        state = self._ledger.state(name)
        if state.is_terminal or state == JobState.CANCELLING:
            return
        self._ledger.move(name, JobState.CANCELLING)
        if name in self._courses:
            self._courses[name][0].cancel()

    def patch(
        self, project_id: str, job_id: str, labels: dict[str, str] | None, etag: bytes
    ) -> Job:
        """Replace the labels unless None; a non-empty etag must be the current one."""
        name = job_name(project_id, job_id)
        self._ledger.relabel(name, labels, etag)
        return self.get(project_id, job_id)

    def resume(self) -> set[str]:
        """Go on with every job that has not ended; answer the sites that they use."""
        for name, _ in list(self._ledger.unfinished()):
            self._begin(name)
        return self.sites()

    def sites(self) -> set[str]:
        """The sites of every job that has not ended."""
        found = [ref for _, private in self._ledger.unfinished() for ref in private.refs]
        return {ref.site_id for ref in found}

    async def close(self) -> None:
        """Let go of all jobs without changing their state; their sites are the runner's to end."""
        tasks = [task for _, task in self._courses.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str) -> None:
        course = Course(name, self._ledger, self._grounds, self._prepare, self._slots)
        task = asyncio.create_task(course.run(), name=name)
        self._courses[name] = (course, task)
        task.add_done_callback(lambda _: self._courses.pop(name, None))

    async def _check_reachable(self, project_id: str, job: Job) -> None:
        """Refuse packages that cannot be read, and a job directory in a missing bucket."""
        spec = job.training_input or TrainingInput()
        for uri in spec.package_uris:
            if await self._objects.stat(GcsUri.parse(uri)) is None:
                raise self._ledger.unreadable(project_id)
        if spec.job_dir:
            bucket = GcsUri.parse(spec.job_dir).bucket
            if not await self._objects.bucket_exists(bucket):
                raise FailedPrecondition.field(
                    "job_dir", f"The bucket gs://{bucket} does not exist."
                )
