"""The course of one training job: prepare, start or adopt, attend, restart, end.

Every step is written before it is acted on. A result is stored before the site that
brought it is removed, so that a killed emulator finds either the one or the other.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from emulator import scheduling
from emulator.attempt import Attempt, attend
from emulator.cluster import Exit, Ref
from emulator.ends import Standing
from emulator.errors import NotFound
from emulator.grounds import Grounds
from emulator.ledger import Ledger, Report
from emulator.lifecycle import Failure
from emulator.plan import MASTER
from emulator.resources import Job
from emulator.states import JobState
from emulator.training import Prepared

log = logging.getLogger(__name__)

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
        self._drop_due: Callable[[], None] | None = None

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

    def _watch_time(self) -> None:
        """Cancel the job when its maxWaitTime, or, once RUNNING, its maxRunningTime is over."""
        self._forget_time()
        job, private = self._ledger.load(self._name)
        if due := scheduling.due(job):
            self._drop_due = self._ledger.timelines.call_at(
                private.project_id, due.moment, lambda: self._overdue(due.text)
            )

    def _forget_time(self) -> None:
        if self._drop_due is not None:
            self._drop_due()

    def _overdue(self, text: str) -> None:
        state = self._ledger.state(self._name)
        if not state.is_terminal and state != JobState.CANCELLING:
            self._ledger.say(self._name, text, severity="WARNING")
            self._ledger.move(self._name, JobState.CANCELLING)
            self.cancel()

    async def _work_until_cancelled(self) -> None:
        self._watch_time()
        work = asyncio.create_task(self._work())
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({work, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._forget_time()
            for task in (work, cancelled):
                task.cancel()
            await asyncio.gather(work, cancelled, return_exceptions=True)
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    async def _work(self) -> None:
        await self._queue()
        async with self._slots:
            state = self._ledger.state(self._name)
            if state == JobState.CANCELLING:
                return
            if state == JobState.QUEUED:
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
            await self._train(prepared)

    async def _queue(self) -> None:
        """The time that jobs wait on the service, whatever this machine has free."""
        job, private = self._ledger.load(self._name)
        if job.state == JobState.QUEUED and job.create_time is not None:
            timelines, project = self._ledger.timelines, private.project_id
            moment = job.create_time.timestamp() + timelines.queue_delay_s(project)
            if moment > timelines.now(project):
                await timelines.sleep_until(project, moment)

    async def _train(self, prepared: Prepared) -> None:
        def running() -> None:
            if self._ledger.state(self._name) == JobState.PREPARING:
                self._ledger.move(self._name, JobState.RUNNING)
                self._watch_time()

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
