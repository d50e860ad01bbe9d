import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator import catalog
from emulator.cluster import Bind, Exit, Isolation
from emulator.course import PreparationFailed
from emulator.datadir import DataDir
from emulator.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound
from emulator.grounds import Grounds
from emulator.jobs import Jobs
from emulator.ledger import Ledger, Report
from emulator.logs import Logs
from emulator.names import GcsUri
from emulator.objects import StoredObject
from emulator.projects import Projects
from emulator.resources import Job, Scheduling, TrainingInput
from emulator.runners.process import ProcessRunner
from emulator.store import Store
from emulator.timelines import Timelines
from emulator.training import Prepared

COUNTING = (
    "import time\nfor n in range({}):\n    print('line', n, flush=True)\n    time.sleep({})\n"
)


class Storage:
    """Has every object but those called ``missing``."""

    async def stat(self, uri: GcsUri) -> StoredObject | None:
        return None if "missing" in uri.object else StoredObject(uri.object, 1, 1)

    async def bucket_exists(self, bucket: str) -> bool:
        return bucket != "missing"


class Room:
    """Jobs on the process runner; each module is a file of the folder ``code``."""

    def __init__(self, data: DataDir, code: Path, isolation: Isolation = "none") -> None:
        self.code = code
        self.store, self.logs = Store(data.database), Logs(data.logs)
        self.runner = ProcessRunner(data.root, data.instance)
        self.failure: Exit | None = None
        self.timelines = Timelines(self.store, time.time)
        self.jobs = Jobs(
            Ledger(self.store, self.logs, Projects("p", ""), self.timelines),
            Storage(),
            Grounds(self.runner, isolation, catalog.load()),
            self.prepare,
            at_once=2,
        )

    async def prepare(self, project_id: str, job: Job, report: Report) -> Prepared:
        assert project_id == "p"
        assert job.state in {"PREPARING", "RUNNING"}
        report("Prepared.")
        if self.failure is not None:
            raise PreparationFailed(self.failure)
        code = str(self.code)
        return Prepared(python=sys.executable, python_path=(code,), binds=(Bind(code, code),))

    def module(self, name: str, text: str, **fields: Any) -> Job:
        (self.code / f"{name}.py").write_text(text)
        spec = TrainingInput(
            package_uris=("gs://b/t.tar.gz",),
            python_module=name,
            region="us-central1",
            runtime_version="2.11",
            python_version="3.7",
            **fields,
        )
        return Job(job_id=name, training_input=spec)

    def messages(self, job_id: str, task: str = "") -> list[str]:
        spans = self.logs.spans("p", job_id)
        entries = [entry for span in spans for entry in self.logs.entries("p", job_id, span)]
        return [entry.message for entry in entries if task in ("", entry.task)]

    def times(self, job_id: str) -> list[float]:
        spans = self.logs.spans("p", job_id)
        return [entry.time for span in spans for entry in self.logs.entries("p", job_id, span)]

    async def until(self, check: Callable[[], bool], deadline_s: float = 30) -> None:
        async with asyncio.timeout(deadline_s):
            while not check():
                await asyncio.sleep(0.02)

    async def ended(self, job_id: str) -> Job:
        def over() -> bool:
            return self.jobs.get("p", job_id).end_time is not None

        await self.until(over)
        return self.jobs.get("p", job_id)

    async def end(self, *, stop: bool = True) -> None:
        await self.jobs.close()
        if stop:
            await self.runner.stop_all()
        self.logs.close()
        self.store.close()


@asynccontextmanager
async def room(tmp_path: Path, isolation: Isolation = "none") -> AsyncIterator[Room]:
    data = DataDir(tmp_path / "data")
    (tmp_path / "code").mkdir(exist_ok=True)
    data.open()
    opened = Room(data, tmp_path / "code", isolation)
    try:
        yield opened
    finally:
        await opened.end()
        data.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_job_succeeds_and_its_log_tells_the_way(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            job = await here.jobs.submit("p", here.module("prints", "print('hello')"))
            assert job.state == "QUEUED"
            ended = await here.ended("prints")

            assert (ended.state, ended.error_message) == ("SUCCEEDED", "")
            assert ended.start_time is not None
            assert b"consumedMLUnits" not in msgspec.json.encode(ended)  # 0.0: a default
            told = here.messages("prints")
            assert told.index("Job prints is queued.") < told.index("Prepared.")
            assert told.index("Running module prints.") < told.index("hello")
            assert told[-2:] == ["Task completed successfully.", "Job completed successfully."]
            assert "hello" in here.messages("prints", "master-replica-0")

    run(work())


def test_a_failing_module_is_told_with_its_status(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            await here.jobs.submit("p", here.module("fails", "raise SystemExit(3)"))
            ended = await here.ended("fails")

            assert ended.state == "FAILED"
            assert ended.error_message.startswith(
                "The replica master 0 exited with a non-zero status of 3. \n"
            )
            assert here.messages("fails")[-1] == "Job failed."

    run(work())


def test_packages_that_cannot_be_installed_fail_the_job(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.failure = Exit("exited", code=1, traceback="Traceback\nCommand '['pip3']'")
            await here.jobs.submit("p", here.module("unbuilt", ""))
            ended = await here.ended("unbuilt")

            assert ended.state == "FAILED"
            assert "Command '['pip3']'" in ended.error_message

    run(work())


def test_a_module_killed_by_a_signal_is_restarted(tmp_path: Path) -> None:
    once = (
        "import os, pathlib, signal\n"
        f"mark = pathlib.Path({str(tmp_path / 'mark')!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('second life')\n"
    )

    async def work() -> None:
        async with room(tmp_path) as here:
            await here.jobs.submit("p", here.module("again", once))
            ended = await here.ended("again")

            assert ended.state == "SUCCEEDED", ended.error_message
            told = here.messages("again")
            assert "second life" in told
            assert "The replica master 0 ended (signal 15) and is restarted (1)." in told

    run(work())


def test_a_cancelled_job_gets_a_sigterm_and_ends(tmp_path: Path) -> None:
    patient = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    print('told to end', flush=True)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('waiting', flush=True)\n"
        "time.sleep(60)\n"
    )

    async def work() -> None:
        async with room(tmp_path) as here:
            await here.jobs.submit("p", here.module("waits", patient))
            await here.until(lambda: "waiting" in here.messages("waits"))
            await here.jobs.cancel("p", "waits")
            ended = await here.ended("waits")

            assert ended.state == "CANCELLED"
            assert "told to end" in here.messages("waits")
            await here.jobs.cancel("p", "waits")
            assert here.jobs.get("p", "waits").state == "CANCELLED"

    run(work())


def test_a_job_over_its_time_is_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            limit = Scheduling(max_running_time="3600s")
            sleeps = "import time; print('up', flush=True); time.sleep(600)"
            await here.jobs.submit("p", here.module("slow", sleeps, scheduling=limit))
            await here.until(lambda: "up" in here.messages("slow"))
            await here.timelines.advance("p", 3500)
            assert here.jobs.get("p", "slow").state == "RUNNING"
            await here.timelines.advance("p", 200)
            ended = await here.ended("slow")

            assert ended.state == "CANCELLED"
            assert ended.create_time
            assert ended.start_time
            assert ended.end_time
            assert (ended.start_time - ended.create_time).total_seconds() < 3600
            assert (ended.end_time - ended.start_time).total_seconds() >= 3700
            times = here.times("slow")
            assert times == sorted(times)
            assert times[-1] - times[0] > 3600

    run(work())


def test_a_job_that_waits_too_long_is_cancelled(tmp_path: Path) -> None:
    """Both ways: the service's queue is long, or this machine has no room."""

    async def work() -> None:
        async with room(tmp_path) as here:
            limit = Scheduling(max_wait_time="1800s")
            late = here.module("late", "print('up')", scheduling=limit)
            here.timelines.queue_jobs("p", 3600)
            await here.jobs.submit("p", late)
            await here.timelines.advance("p", 1801)
            assert (await here.ended("late")).state == "CANCELLED"
            here.timelines.queue_jobs("p", 0)
            for name in ("one", "two"):
                await here.jobs.submit("p", here.module(name, "import time; time.sleep(600)"))
            await here.jobs.submit("p", msgspec.structs.replace(late, job_id="later"))
            await here.until(lambda: here.jobs.get("p", "two").state == "RUNNING")
            assert here.jobs.get("p", "later").state == "QUEUED"
            await here.timelines.advance("p", 1801)
            ended = await here.ended("later")

            assert (ended.state, ended.start_time) == ("CANCELLED", None)
            assert "up" not in here.messages("late") + here.messages("later")
            assert any("maxWaitTime" in line for line in here.messages("later"))

    run(work())


def test_a_job_is_queued_until_its_time_has_come(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.timelines.queue_jobs("p", 3600)
            job = await here.jobs.submit("p", here.module("waits", "print('up')"))
            assert job.state == "QUEUED"
            await here.timelines.advance("p", 3600)
            ended = await here.ended("waits")

            assert ended.state == "SUCCEEDED"
            assert ended.create_time
            assert ended.start_time
            assert (ended.start_time - ended.create_time).total_seconds() >= 3600

    run(work())


def test_what_is_wrong_with_a_submission_is_said(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            await here.jobs.submit("p", here.module("once", "print(1)"))
            with pytest.raises(AlreadyExists, match=r"Field: job\.job_id Error: A job with this"):
                await here.jobs.submit("p", here.module("once", "print(1)"))
            unreadable = Job(
                job_id="j", training_input=TrainingInput(package_uris=("gs://b/missing",))
            )
            with pytest.raises(FailedPrecondition, match="cannot be read by service account"):
                await here.jobs.submit("p", unreadable)
            nowhere = Job(job_id="j", training_input=TrainingInput(job_dir="gs://missing/d"))
            with pytest.raises(FailedPrecondition, match="job_dir"):
                await here.jobs.submit("p", nowhere)
            with pytest.raises(NotFound):
                here.jobs.get("p", "j")
            assert [job.job_id for job in here.jobs.list("p")] == ["once"]
            await here.ended("once")

    run(work())


def test_labels_are_patched_and_an_old_etag_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            await here.jobs.submit("p", here.module("one", "print(1)"))
            job = await here.ended("one")
            patched = here.jobs.patch("p", "one", {"owner": "x"}, job.etag)

            assert patched.labels == {"owner": "x"}
            assert patched.etag != job.etag
            with pytest.raises(Aborted):
                here.jobs.patch("p", "one", {}, job.etag)

    run(work())


def test_only_so_many_run_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            for name in ("one", "two", "three"):
                await here.jobs.submit("p", here.module(name, "import time; time.sleep(0.5)"))
            await here.until(lambda: here.jobs.get("p", "two").state == "RUNNING")

            assert here.jobs.get("p", "three").state == "QUEUED"
            assert (await here.ended("three")).state == "SUCCEEDED"

    run(work())


CRASHING = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_jobs import COUNTING, Room
from emulator.datadir import DataDir

async def work():
    data = DataDir(Path(sys.argv[2]) / "data")
    data.open()
    here = Room(data, Path(sys.argv[2]) / "code")
    await here.jobs.submit("p", here.module("counts", COUNTING.format(30, 0.1)))
    await here.until(lambda: "line 3" in here.messages("counts"))
    os._exit(9)

asyncio.run(work())
"""


def test_a_restarted_emulator_goes_on_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()

    async def work() -> None:
        crashed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CRASHING, str(Path(__file__).parent), str(tmp_path)),
            env={**os.environ},
        )
        assert await crashed.wait() == 9
        async with room(tmp_path) as here:
            assert here.jobs.resume()
            ended = await here.ended("counts")

            assert ended.state == "SUCCEEDED", ended.error_message
            told = here.messages("counts", "master-replica-0")
            lines = [text for text in told if text.startswith("line ")]
            assert lines == [f"line {n}" for n in range(30)]

    run(work())


def test_a_job_of_a_stopped_emulator_runs_again(tmp_path: Path) -> None:
    async def stopped() -> None:
        async with room(tmp_path) as here:
            await here.jobs.submit("p", here.module("long", COUNTING.format(20, 0.05)))
            await here.until(lambda: "line 3" in here.messages("long"))

    async def started() -> None:
        async with room(tmp_path) as here:
            here.jobs.resume()
            assert (await here.ended("long")).state == "SUCCEEDED"
            told = here.messages("long")
            assert told.count("line 0") == 2
            assert told.count("line 19") == 1

    run(stopped())
    run(started())
