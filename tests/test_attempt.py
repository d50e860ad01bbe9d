"""What a restarted emulator makes of an attempt that it finds."""

import asyncio
from pathlib import Path

import msgspec

from emulator.cluster import Exit, Ref
from emulator.datadir import DataDir
from emulator.grounds import Terms
from emulator.states import JobState
from tests.fake_emulator import QUICK, Emulator, cluster, emulator
from tests.fake_runner import CRASHED, DONE, SERVES, FakeRunner, Life
from tests.virtual_time import run

NAME = "projects/p/jobs/j"


async def killed_when(folder: Path, runner: FakeRunner, text: str, terms: Terms = QUICK) -> None:
    """Run a job until its log says this; then the emulator is gone, its replicas are not."""
    async with emulator(folder, runner, terms) as here:
        await here.jobs.submit("p", cluster())
        await here.until(lambda: here.says(text))


def test_a_running_cluster_is_adopted(tmp_path: Path) -> None:
    runner = FakeRunner(
        master_0=Life(DONE, ("one", "two"), after_s=0.5), worker_0=Life(DONE, after_s=0.2)
    )

    async def work() -> None:
        await killed_when(tmp_path, runner, "two")
        await asyncio.sleep(0.3)  # a worker ends while nobody looks
        async with emulator(tmp_path, runner) as here:
            assert here.jobs.resume() == set(runner.sites)
            assert (await here.ended()).state == "SUCCEEDED"
            assert here.messages("master-replica-0").count("one") == 1
            assert here.messages("worker-replica-0").count("Task completed successfully.") == 1

    run(work)
    assert len(runner.started) == 4


def test_the_end_grace_goes_on_and_nothing_fails_in_it(tmp_path: Path) -> None:
    runner = FakeRunner(worker_0=Life(Exit("exited", code=1), after_s=0.3))
    patient = Terms(end_grace_s=600, stop_grace_s=0.2)

    async def work() -> None:
        await killed_when(tmp_path, runner, "have 600 s to end", patient)
        await asyncio.sleep(0.3)
        async with emulator(tmp_path, runner) as here:
            here.jobs.resume()
            assert (await here.ended()).state == "SUCCEEDED"

    run(work)


def test_a_failure_stays_one_and_what_was_stopped_for_it_is_none(tmp_path: Path) -> None:
    failed = Exit("exited", code=3)
    runner = FakeRunner(master_0=Life(deaf=True), worker_0=Life(failed, after_s=0.1))
    slow = Terms(stop_grace_s=600)

    async def work() -> None:
        async with emulator(tmp_path, runner, slow) as here:
            await here.jobs.submit("p", cluster())
            await here.until(lambda: "ps-replica-0" not in runner.running and runner.running != [])
            await here.until(lambda: len(runner.started) == 4)
        async with emulator(tmp_path, runner, Terms(stop_grace_s=0.1, late_s=0.1)) as here:
            here.jobs.resume()
            job = await here.ended()
            assert job.state == "FAILED"
            blocks = job.error_message.split("\n\nTo find out")[0]
            assert blocks == "The replica worker 0 exited with a non-zero status of 3. "

    run(work)
    assert len(runner.started) == 4


def test_replicas_that_went_with_their_machine_start_again_in_place(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=(Life(lines=("first",)), Life(DONE, ("second",), after_s=0.2)))

    async def work() -> None:
        await killed_when(tmp_path, runner, "first")
        runner.lose()
        async with emulator(tmp_path, runner) as here:
            here.jobs.resume()
            assert (await here.ended()).state == "SUCCEEDED"
            assert here.messages("master-replica-0").count("second") == 1

    run(work)
    assert sorted(runner.names[4:]) == [
        "master-replica-0.2",
        "ps-replica-0.2",
        "worker-replica-0.2",
        "worker-replica-1.2",
    ]
    assert len({replica.hostname for _, replica in runner.started}) == 4


def test_an_emulator_killed_while_starting_starts_what_is_missing(tmp_path: Path) -> None:
    runner = FakeRunner(
        master_0=Life(DONE, after_s=1), worker_1=(Life(hangs=True), Life(DONE, ("up",)))
    )

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.jobs.submit("p", cluster())
            await here.until(lambda: len(runner.started) == 3)
            assert here.jobs.get("p", "j").state == "PREPARING"
        async with emulator(tmp_path, runner) as here:
            here.jobs.resume()
            assert (await here.ended()).state == "SUCCEEDED"
            assert "up" in here.messages("worker-replica-1")

    run(work)


def test_restarts_are_counted_across_emulators(tmp_path: Path) -> None:
    runner = FakeRunner(
        master_0=SERVES,
        worker_0=(*[Life(CRASHED)] * 3, Life(lines=("waits",)), Life(CRASHED)),
    )

    async def work() -> None:
        await killed_when(tmp_path, runner, "waits")
        for (_, name), process in runner.processes.items():
            if name == "worker-replica-0.4":
                process.end(CRASHED)
        async with emulator(tmp_path, runner) as here:
            here.jobs.resume()
            await here.until(lambda: here.says("the whole job is tried again (1)"))
            assert here.says("is restarted (5)")
            await here.jobs.cancel("p", "j")
            await here.ended()

    run(work)
    assert "worker-replica-0.6" in runner.names
    assert "worker-replica-0.7" not in runner.names


def test_a_cancelled_job_is_ended_by_the_next_emulator(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=Life(lines=("up",)))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.jobs.submit("p", cluster())
            await here.until(lambda: here.says("up"))
            here.ledger.move(NAME, JobState.CANCELLING)
        async with emulator(tmp_path, runner) as here:
            here.jobs.resume()
            assert (await here.ended()).state == "CANCELLED"

    run(work)


def test_a_record_of_one_replica_is_adopted_too(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=Life(DONE, ("line",), after_s=0.3))
    data = DataDir(tmp_path / "data")

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.jobs.submit("p", cluster(workers=0, ps=0))
            await here.until(lambda: here.says("line"))
        data.open()
        here = Emulator(data, runner, QUICK)
        record = here.store.get(NAME)
        assert record is not None
        ((site, _),) = runner.processes
        earlier = {
            "project_id": "p",
            "ref": msgspec.to_builtins(Ref("fake", site, "master-replica-0", "master-replica-0")),
            "restarts": 7,
        }
        here.store.replace(msgspec.structs.replace(record, private=msgspec.json.encode(earlier)))
        _, private = here.ledger.load(NAME)
        assert private.standing is not None
        assert (private.standing.retries, private.standing.restarts) == (
            1,
            {"master-replica-0": 1},
        )
        here.jobs.resume()
        assert (await here.ended()).state == "SUCCEEDED"
        await here.killed()
        data.close()

    run(work)
    assert len(runner.started) == 1
