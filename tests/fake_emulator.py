"""The jobs of an emulator on a fake runner, in the time of the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from emulator import catalog
from emulator.datadir import DataDir
from emulator.fault_plan import FaultPlan
from emulator.grounds import Grounds, Terms
from emulator.jobs import Jobs
from emulator.ledger import Ledger, Report
from emulator.logs import Logs
from emulator.projects import Projects
from emulator.resources import Job, TrainingInput
from emulator.store import Store
from emulator.timelines import Timelines
from emulator.training import Prepared
from tests.fake_runner import FakeRunner
from tests.test_jobs import Storage

QUICK = Terms(end_grace_s=0.2, stop_grace_s=0.2, stall_s=0.3, silence_s=0.3, idle_s=0.2)
USUAL = Terms()
NAME = "projects/p/jobs/j"
BEGIN = 1_600_000_000.0


def cluster(workers: int = 2, ps: int = 1, evaluators: int = 0, **fields: Any) -> Job:
    spec = TrainingInput(
        scale_tier="CUSTOM",
        master_type="n1-standard-4",
        worker_type="n1-standard-4",
        worker_count=workers,
        parameter_server_type="n1-standard-4",
        parameter_server_count=ps,
        evaluator_type="n1-standard-4",
        evaluator_count=evaluators,
        package_uris=("gs://b/t.tar.gz",),
        python_module="trainer.task",
        region="us-central1",
        runtime_version=fields.pop("runtime_version", "2.11"),
        python_version="3.7",
        **fields,
    )
    return Job(job_id="j", training_input=spec)


class Emulator:
    """The jobs of a data directory on a fake runner; ``killed`` lets go as SIGKILL does."""

    def __init__(self, data: DataDir, runner: FakeRunner, terms: Terms) -> None:
        self.runner = runner
        self.store, self.logs = Store(data.database), Logs(data.logs)
        self.time = asyncio.get_running_loop().time
        self.timelines = Timelines(self.store, lambda: BEGIN + self.time())
        self.ledger = Ledger(self.store, self.logs, Projects("p", ""), self.timelines)
        self.faults = FaultPlan()
        grounds = Grounds(runner, "none", catalog.load(), terms, faults=self.faults)
        self.jobs = Jobs(self.ledger, Storage(), grounds, self._prepare, at_once=2)

    async def _prepare(self, project_id: str, job: Job, report: Report) -> Prepared:
        del project_id, job, report
        return Prepared(python="/env/bin/python")

    async def killed(self) -> None:
        await self.jobs.close()
        self.logs.close()
        self.store.close()

    def messages(self, task: str = "") -> list[str]:
        spans = self.logs.spans("p", "j")
        entries = [entry for span in spans for entry in self.logs.entries("p", "j", span)]
        return [entry.message for entry in entries if task in ("", entry.task)]

    def says(self, text: str) -> bool:
        return any(text in message for message in self.messages())

    async def until(self, check: Callable[[], bool]) -> None:
        async with asyncio.timeout(100):
            while not check():
                await asyncio.sleep(0.01)

    async def ended(self) -> Job:
        await self.until(lambda: self.jobs.get("p", "j").end_time is not None)
        await self.until(lambda: not self.runner.sites)
        assert self.runner.running == []
        return self.jobs.get("p", "j")

    async def course(self, job: Job | None = None) -> Job:
        await self.jobs.submit("p", job or cluster())
        return await self.ended()


@asynccontextmanager
async def emulator(
    folder: Path, runner: FakeRunner, terms: Terms = QUICK
) -> AsyncIterator[Emulator]:
    data = DataDir(folder / "data")
    data.open()
    opened = Emulator(data, runner, terms)
    try:
        yield opened
    finally:
        await opened.killed()
        data.close()
