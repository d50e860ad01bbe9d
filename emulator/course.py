"""The course of one training job: prepare, start or adopt, attend, restart, end.

Every step is written before it is acted on. A result is stored before the site that
brought it is removed, so that a killed emulator finds either the one or the other.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from emulator import schema
from emulator.attempt import Attempt, attend
from emulator.cluster import Exit, Ref
from emulator.ends import Standing
from emulator.errors import NotFound
from emulator.grounds import Grounds
from emulator.ledger import Ledger, Report
from emulator.lifecycle import Failure
from emulator.plan import MASTER
from emulator.resources import Job, TrainingInput
from emulator.states import JobState
from emulator.training import Prepared

log = logging.getLogger(__name__)

DEFAULT_RUNNING_TIME_S: Final = 604_800.0

Prepare = Callable[[str, Job, Report], Awaitable[Prepared]]


class PreparationFailed(Exception):
    """The packages of a job cannot be had or installed; ``end`` is what the replica shows."""

    def __init__(self, end: Exit) -> None:
        super().__init__(end.message)
        self.end = end


class Course:
    """Takes one job from where its record stands to its end."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        grounds: Grounds,
        prepare: Prepare,
        slots: asyncio.Semaphore,
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._grounds = grounds
        self._prepare = prepare
        self._slots = slots
        self._cancelled = asyncio.Event()

    def cancel(self) -> None:
        """The record says CANCELLING already; end the work."""
        self._cancelled.set()

    async def run(self) -> None:
        job, private = self._ledger.load(self._name)
        try:
            if job.state != JobState.CANCELLING:
                await self._work_until_cancelled()
            if self._ledger.state(self._name) == JobState.CANCELLING:
                await self._end_cancelled()
        except Exception as error:
            log.exception("%s failed within the emulator", self._name)
            if not self._ledger.state(self._name).is_terminal:
                text = f"The emulator failed on this job: {type(error).__name__}: {error}"
                self._ledger.say(self._name, text, severity="ERROR")
                self._ledger.end(self._name, JobState.FAILED, text)
        await self._remove_site()
        self._ledger.logs.release(private.project_id, job.job_id)

    async def _work_until_cancelled(self) -> None:
        work = asyncio.create_task(self._work())
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({work, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, cancelled):
                task.cancel()
            await asyncio.gather(work, cancelled, return_exceptions=True)
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    async def _work(self) -> None:
        async with self._slots:
            if self._ledger.state(self._name) == JobState.QUEUED:
                self._ledger.move(self._name, JobState.PREPARING)
                self._ledger.say(self._name, "Waiting for job to be provisioned.")
            job, private = self._ledger.load(self._name)
            try:
                prepared = await self._prepare(
                    private.project_id, job, self._ledger.reporter(self._name)
                )
            except PreparationFailed as failure:
                self._ledger.fail(self._name, [Failure(MASTER.type, MASTER.index, failure.end)])
                return
            limit = asyncio.timeout(self._seconds_left())
            try:
                async with limit:
                    await self._train(prepared, limit)
            except TimeoutError:
                if not limit.expired():
                    raise
                text = "The job ran longer than its maxRunningTime and is cancelled."
                self._ledger.say(self._name, text, severity="WARNING")
                self._ledger.move(self._name, JobState.CANCELLING)

    async def _train(self, prepared: Prepared, limit: asyncio.Timeout) -> None:
        def running() -> None:
            if self._ledger.state(self._name) == JobState.PREPARING:
                self._ledger.move(self._name, JobState.RUNNING)
                seconds = self._seconds_left() or 0.0
                limit.reschedule(asyncio.get_running_loop().time() + seconds)

        while True:
            attempt = Attempt(self._name, self._ledger, self._grounds, prepared, running)
            standing = await attempt.run()
            if standing.outcome == "succeeded":
                running()
                self._ledger.succeed(self._name)
                return
            if standing.outcome == "failed":
                self._ledger.fail(self._name, standing.failures)
                return
            await self._retry(standing)

    async def _retry(self, standing: Standing) -> None:
        """Begin with the whole job again, in a new place."""
        job, private = self._ledger.load(self._name)
        retries = standing.retries + 1
        text = f"Replicas ended too often: the whole job is tried again ({retries})."
        self._ledger.say(self._name, text, severity="WARNING")
        again = msgspec.structs.replace(private, refs=(), standing=Standing((), retries))
        self._ledger.save(self._name, job, again)
        await self._close(private.refs)

    async def _end_cancelled(self) -> None:
        """SIGTERM to all, SIGKILL after the grace; what they still say is kept."""
        refs = self._ledger.load(self._name)[1].refs
        if refs:
            terms = self._grounds.terms
            await self._grounds.runner.stop(refs, terms.stop_grace_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(terms.stop_grace_s + terms.late_s):
                    await asyncio.gather(*(self._attend(ref) for ref in refs))
        self._ledger.say(self._name, "Job cancelled.")
        self._ledger.end(self._name, JobState.CANCELLED)

    async def _attend(self, ref: Ref) -> None:
        with contextlib.suppress(NotFound):
            await attend(self._name, self._ledger, self._grounds, ref)

    async def _remove_site(self) -> None:
        await self._close(self._ledger.load(self._name)[1].refs)

    async def _close(self, refs: Sequence[Ref]) -> None:
        for site in {ref.site_id for ref in refs}:
            await self._grounds.runner.forget(site)

    def _seconds_left(self) -> float | None:
        """Of its maxRunningTime, which is counted from when the job is RUNNING."""
        job, _ = self._ledger.load(self._name)
        if job.start_time is None:
            return None
        spec = job.training_input or TrainingInput()
        asked = spec.scheduling.max_running_time if spec.scheduling else ""
        limit = schema.duration_s(asked) if asked else DEFAULT_RUNNING_TIME_S
        return max(0.0, limit - (self._ledger.now() - job.start_time).total_seconds())
