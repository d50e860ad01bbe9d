"""The course of one training job: prepare, start or adopt, attend, restart, end.

Every step is written before it is acted on. A result is stored before the site that
brought it is removed, so that a killed emulator finds either the one or the other.
"""

import asyncio
import contextlib
import hashlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from emulator import lifecycle, schema
from emulator.cluster import Exit, Isolation, Ref, SiteSpec
from emulator.errors import NotFound
from emulator.ledger import MASTER, Ledger, Private, Report
from emulator.resources import Job, TrainingInput
from emulator.runners import Runner
from emulator.states import JobState
from emulator.training import Place, Prepared, command_line, training_replica

log = logging.getLogger(__name__)

STOP_GRACE_S: Final = 10.0
DEFAULT_RUNNING_TIME_S: Final = 604_800.0

Prepare = Callable[[str, Job, Report], Awaitable[Prepared]]


class PreparationFailed(Exception):
    """The packages of a job cannot be had or installed; ``end`` is what the replica shows."""

    def __init__(self, end: Exit) -> None:
        super().__init__(end.message)
        self.end = end


class Grounds(msgspec.Struct, frozen=True):
    """Where jobs run: the runner, its isolation level, and the folder of its sites.

    ``allow_hosts`` are the hosts outside ("name:port") that replicas may reach.
    """

    runner: Runner
    isolation: Isolation
    sites: Path
    allow_hosts: tuple[str, ...] = ()


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
                self._ledger.fail(self._name, failure.end)
                return
            try:
                async with asyncio.timeout(self._seconds_left()):
                    await self._train(prepared)
            except TimeoutError:
                text = "The job ran longer than its maxRunningTime and is cancelled."
                self._ledger.say(self._name, text, severity="WARNING")
                self._ledger.move(self._name, JobState.CANCELLING)

    async def _train(self, prepared: Prepared) -> None:
        while True:
            _, private = self._ledger.load(self._name)
            ref = private.ref or await self._start(prepared)
            if self._ledger.state(self._name) == JobState.PREPARING:
                self._ledger.move(self._name, JobState.RUNNING)
            end = await self._attend(ref)
            action = lifecycle.after(end, restarts=private.restarts)
            if action == "succeed":
                self._ledger.succeed(self._name)
                return
            if action == "fail":
                self._ledger.fail(self._name, end)
                return
            await self._restart_later(end)

    async def _start(self, prepared: Prepared) -> Ref:
        job, private = self._ledger.load(self._name)
        spec = job.training_input or TrainingInput()
        site_id = _site_id(self._name, private.restarts)
        ref = Ref(self._grounds.runner.name, site_id, MASTER.label, MASTER.label)
        self._ledger.save(self._name, job, msgspec.structs.replace(private, ref=ref))
        project = self._ledger.projects.get(private.project_id)
        place = Place(
            name=MASTER.label,
            task=MASTER,
            isolation=self._grounds.isolation,
            project_id=project.project_id,
            project_number=project.project_number,
            allow_hosts=self._grounds.allow_hosts,
        )
        report = self._ledger.reporter(self._name)
        self._ledger.say(self._name, "Waiting for training program to start.")
        report(f"Isolation of this replica: {self._grounds.isolation}.")
        report(f"Running module {spec.python_module}.")
        report(f"Running command: {command_line(spec)}")
        site = await self._grounds.runner.open(SiteSpec(site_id, isolation=self._grounds.isolation))
        return await site.start(training_replica(job, prepared, place))

    async def _attend(self, ref: Ref) -> Exit:
        """Take a replica's lines into the log until it ends; go on after the last one kept."""
        job, private = self._ledger.load(self._name)
        logs, source = self._ledger.logs, f"{ref.site_id}/{ref.name}"
        since = logs.last_seq(private.project_id, job.job_id, source)
        async for line in self._grounds.runner.follow(ref, since):
            logs.append(private.project_id, job.job_id, ref.task, source, line)
        return await self._grounds.runner.wait(ref)

    async def _restart_later(self, end: Exit) -> None:
        job, private = self._ledger.load(self._name)
        how = f"signal {end.signal}" if end.signal else end.reason
        text = (
            f"The replica {MASTER.type} {MASTER.index} ended ({how}) and is restarted "
            f"({private.restarts + 1})."
        )
        self._ledger.say(self._name, text, severity="WARNING")
        again = Private(private.project_id, restarts=private.restarts + 1)
        self._ledger.save(self._name, job, again)
        await self._close(private.ref)

    async def _end_cancelled(self) -> None:
        _, private = self._ledger.load(self._name)
        if private.ref is not None:
            await self._grounds.runner.stop([private.ref], STOP_GRACE_S)
            with contextlib.suppress(NotFound):
                await self._attend(private.ref)
        self._ledger.say(self._name, "Job cancelled.")
        self._ledger.end(self._name, JobState.CANCELLED)

    async def _remove_site(self) -> None:
        await self._close(self._ledger.load(self._name)[1].ref)

    async def _close(self, ref: Ref | None) -> None:
        if ref is not None:
            await self._grounds.runner.close(ref.site_id)
            folder = self._grounds.sites / ref.site_id
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _seconds_left(self) -> float:
        job, _ = self._ledger.load(self._name)
        spec = job.training_input or TrainingInput()
        asked = spec.scheduling.max_running_time if spec.scheduling else ""
        limit = schema.duration_s(asked) if asked else DEFAULT_RUNNING_TIME_S
        now = self._ledger.now()
        return max(0.0, limit - (now - (job.start_time or now)).total_seconds())


def _site_id(name: str, attempt: int) -> str:
    """Unique to a job and an attempt, and short enough for a socket's name."""
    return f"job-{hashlib.sha256(name.encode()).hexdigest()[:16]}-{attempt}"
