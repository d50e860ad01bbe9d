"""Jobs that follow their outcomes instead of training."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial

import msgspec

from emulator import lifecycle
from emulator.errors import ApiError
from emulator.ledger import Ledger, Private
from emulator.names import GcsUri, job_name
from emulator.plan import MASTER
from emulator.resources import Job, TrainingInput
from emulator.states import JobState
from emulator.testing.agenda import Agenda
from emulator.testing.outcomes import TEARDOWN_S, JobOutcome, Moment, moments, succeeds

Put = Callable[[GcsUri, bytes], Awaitable[None]]


class ScriptedJobs:
    """Writes every job's states when they are due. ``put`` stores what a job exports.

    ``missing`` answers which of the URIs of a job are not in storage.
    """

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        outcomes: Mapping[str, JobOutcome],
        put: Put,
        missing: Callable[[Sequence[GcsUri]], Awaitable[list[GcsUri]]],
    ) -> None:
        self._ledger = ledger
        self._agenda = agenda
        self._outcomes = outcomes
        self._put = put
        self._missing = missing
        self._attempts: dict[str, int] = {}
        self._planned: dict[str, list[int]] = {}

    async def submit(self, project_id: str, job: Job) -> Job:
        name = job_name(project_id, job.job_id)
        self._ledger.check_new(name)
        outcome = self._outcome(job.job_id)
        self._attempts[name] = self._attempts.get(name, 0) + 1
        if outcome.refuses_attempt(self._attempts[name]):
            raise self._refusal(outcome, project_id, job)
        await self._check_uploads(project_id, job)
        self._ledger.enter(name, job, Private(project_id))
        self._ledger.say(name, f"Job {job.job_id} is queued.")
        self._plan(name, job, outcome)
        return self.get(project_id, job.job_id)

    def get(self, project_id: str, job_id: str) -> Job:
        return self._ledger.load(job_name(project_id, job_id))[0]

    def list(self, project_id: str) -> Sequence[Job]:
        return self._ledger.of_project(project_id)

    async def cancel(self, project_id: str, job_id: str) -> None:
        name = job_name(project_id, job_id)
        state = self._ledger.state(name)
        if state.is_terminal or state == JobState.CANCELLING:
            return
        for number in self._planned.pop(name, ()):
            self._agenda.drop(number)
        self._ledger.move(name, JobState.CANCELLING)
        over = Moment(TEARDOWN_S, JobState.CANCELLED)
        come = partial(self._come_to, name, over, succeeds())
        self._agenda.enter(self._agenda.clock() + TEARDOWN_S, come)

    def patch(
        self, project_id: str, job_id: str, labels: dict[str, str] | None, etag: bytes
    ) -> Job:
        name = job_name(project_id, job_id)
        self._ledger.relabel(name, labels, etag)
        return self.get(project_id, job_id)

    def _outcome(self, job_id: str) -> JobOutcome:
        for pattern, outcome in self._outcomes.items():
            if fnmatchcase(job_id, pattern):
                return outcome
        return succeeds()

    def _refusal(self, outcome: JobOutcome, project_id: str, job: Job) -> ApiError:
        refusal = outcome.refusal
        assert refusal is not None  # noqa: S101 this outcome refuses
        return refusal if isinstance(refusal, ApiError) else refusal(project_id, job)

    async def _check_uploads(self, project_id: str, job: Job) -> None:
        uris = (job.training_input or TrainingInput()).package_uris
        if await self._missing([GcsUri.parse(uri) for uri in uris]):
            raise self._ledger.unreadable(project_id)

    def _plan(self, name: str, job: Job, outcome: JobOutcome) -> None:
        begin = self._agenda.clock()
        spec = job.training_input or TrainingInput()
        way = moments(outcome, spec.scheduling)
        planned = [
            self._agenda.enter(
                begin + moment.after_s, partial(self._come_to, name, moment, outcome)
            )
            for moment in way[1:]
        ]
        for after_s, line in _spread(outcome.lines, way):
            planned.append(self._agenda.enter(begin + after_s, partial(self._print, name, line)))
        self._planned[name] = planned

    async def _print(self, name: str, line: str) -> None:
        self._ledger.say(name, line, task=MASTER.label)

    async def _come_to(self, name: str, moment: Moment, outcome: JobOutcome) -> None:
        if moment.note:
            self._ledger.say(name, moment.note, severity="WARNING")
        match moment.state:
            case JobState.SUCCEEDED:
                await self._export(name, outcome)
                self._ledger.complete(name, MASTER.label)
                self._ledger.succeed(name)
            case JobState.FAILED:
                self._fail(name, outcome)
            case JobState.CANCELLED:
                self._ledger.say(name, "Job cancelled.")
                self._ledger.end(name, JobState.CANCELLED)
            case _:
                self._ledger.move(name, moment.state)
        if outcome.output is not None and moment.state == JobState.SUCCEEDED:
            job, private = self._ledger.load(name)
            told = msgspec.structs.replace(job, training_output=outcome.output)
            self._ledger.save(name, told, private)

    def _fail(self, name: str, outcome: JobOutcome) -> None:
        job, private = self._ledger.load(name)
        text = outcome.error_message
        if not text and outcome.failure is not None:
            number = self._ledger.projects.get(private.project_id).project_number
            failure = lifecycle.Failure(MASTER.type, MASTER.index, outcome.failure)
            text = lifecycle.error_message([failure], project_number=str(number), job_id=job.job_id)
        self._ledger.say(name, text, severity="ERROR")
        self._ledger.say(name, "Job failed.")
        self._ledger.end(name, JobState.FAILED, text)

    async def _export(self, name: str, outcome: JobOutcome) -> None:
        job, _ = self._ledger.load(name)
        folder = (job.training_input or TrainingInput()).job_dir
        if folder:
            for path, content in outcome.files.items():
                await self._put(GcsUri.parse(folder) / path, content)


def _spread(lines: Sequence[str], way: Sequence[Moment]) -> list[tuple[float, str]]:
    """When a job that runs prints which line; one that does not run prints none."""
    running = [index for index, moment in enumerate(way) if moment.state == JobState.RUNNING]
    if not running:
        return []
    begin = way[running[0]].after_s
    end = way[running[0] + 1].after_s if running[0] + 1 < len(way) else begin
    step = (end - begin) / (len(lines) + 1)
    return [(begin + step * number, line) for number, line in enumerate(lines, 1)]
