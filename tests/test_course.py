import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.cluster import Exit, Replica
from emulator.grounds import Terms
from emulator.resources import Scheduling
from tests.fake_emulator import USUAL, cluster, emulator
from tests.fake_runner import CRASHED, DONE, SERVES, FakeRunner, Life, MeteredRunner
from tests.virtual_time import run

FAILED = Exit("exited", code=1, traceback="Traceback\nValueError: x")


def tf_config(replica: Replica) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(replica.env["TF_CONFIG"])
    return found


def test_a_cluster_runs_from_start_to_end(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=Life(DONE, ("hello",)), worker_1=Life(DONE, ("from one",)))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            job = await here.course(cluster(evaluators=1))

            assert job.state == "SUCCEEDED", job.error_message
            assert sorted(runner.names) == [
                "evaluator-replica-0",
                "master-replica-0",
                "ps-replica-0",
                "worker-replica-0",
                "worker-replica-1",
            ]
            assert "from one" in here.messages("worker-replica-1")
            assert "Task completed successfully." in here.messages("worker-replica-1")
            assert "Running module trainer.task." in here.messages("ps-replica-0")
            assert here.messages()[-1] == "Job completed successfully."

    run(work)
    (spec,) = {spec.site_id: spec for spec in runner.opened}.values()
    master = runner.replica("master-replica-0")
    assert master.hostname.startswith("cmle-training-master-")
    assert set(spec.hosts) == {replica.hostname for _, replica in runner.started}
    shown = tf_config(master)["cluster"]
    assert {role: len(hosts) for role, hosts in shown.items()} == {"chief": 1, "worker": 2, "ps": 1}
    assert shown["chief"] == [f"{master.hostname}:2222"]
    assert tf_config(runner.replica("worker-replica-1"))["task"]["index"] == 1


def test_a_single_replica_has_no_host_and_no_cluster(tmp_path: Path) -> None:
    runner = FakeRunner()

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            assert (await here.course(cluster(workers=0, ps=0))).state == "SUCCEEDED"

    run(work)
    ((_, master),) = runner.started
    assert master.hostname == ""
    assert runner.opened[0].hosts == ()
    assert tf_config(master)["cluster"] == {"chief": ["127.0.0.1:2222"]}


def test_parameter_servers_stop_at_once_and_workers_after_the_grace(tmp_path: Path) -> None:
    runner = FakeRunner(evaluator_0=Life(Exit("exited", code=1), after_s=0.05))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            job = await here.course(cluster(evaluators=1))
            assert (job.state, job.error_message) == ("SUCCEEDED", "")
            assert here.says("Those that still run have 0.2 s to end")

    run(work)
    assert runner.stopped == [("ps-replica-0",), ("worker-replica-0", "worker-replica-1")]


def test_workers_that_only_serve_are_stopped_early(tmp_path: Path) -> None:
    runner = MeteredRunner(["worker-replica-0"], worker_0=Life(DONE, after_s=1))
    terms = Terms(end_grace_s=600, stop_grace_s=0.2, idle_s=0.3)

    async def work() -> None:
        async with emulator(tmp_path, runner, terms) as here:
            assert (await here.course()).state == "SUCCEEDED"

    run(work)
    assert runner.stopped == [("ps-replica-0",), ("worker-replica-1",)]


def test_every_replica_that_failed_is_named(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=SERVES, worker_0=Life(FAILED), worker_1=Life(FAILED), ps_0=SERVES)

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            job = await here.course()
            assert job.state == "FAILED"
            assert job.error_message.startswith(
                "The replica worker 0 exited with a non-zero status of 1. \nTraceback\n"
                "ValueError: x\nThe replica worker 1 exited with a non-zero status of 1. \n"
            )
            assert "ps" not in job.error_message.split("To find out")[0]
            assert here.messages()[-1] == "Job failed."

    run(work)


def test_a_replica_is_restarted_in_place(tmp_path: Path) -> None:
    runner = FakeRunner(
        master_0=Life(DONE, after_s=0.3),
        worker_1=(Life(CRASHED, ("first life",)), Life(None, ("second life",))),
    )

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            assert (await here.course()).state == "SUCCEEDED"
            told = here.messages("worker-replica-1")
            assert told.index("first life") < told.index("second life")
            assert here.says("The replica worker 1 ended (signal 11) and is restarted (1).")

    run(work)
    first, second = (runner.replica(f"worker-replica-1{end}") for end in ("", ".2"))
    assert first.hostname == second.hostname
    assert first.task == second.task == "worker-replica-1"
    assert len({site for site, _ in runner.started}) == 1


def test_the_whole_job_is_tried_again_and_fails_in_the_end(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=SERVES, worker_0=Life(CRASHED))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            job = await here.course()
            assert job.state == "FAILED"
            assert "The replica worker 0 exited with a non-zero status of 11(SIGSEGV)" in (
                job.error_message
            )
            assert here.says("the whole job is tried again (3)")

    run(work)
    assert len({site for site, _ in runner.started}) == 4
    assert runner.names.count("worker-replica-0.6") == 4
    assert runner.names.count("master-replica-0") == 4


def test_one_that_cannot_start_fails_the_job_with_its_reason(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=SERVES, ps_0=Life(refused="The image x is not there. Build it."))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            job = await here.course()
            assert job.state == "FAILED"
            assert job.start_time is None
            assert job.error_message.startswith(
                "The replica ps 0 could not be started: The image x is not there. Build it.\n"
            )

    run(work)


def test_replicas_that_do_nothing_are_named(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=SERVES)
    metered = MeteredRunner(working=["worker-replica-0"], master_0=SERVES)

    async def stalls(chosen: FakeRunner, folder: Path) -> bool:
        async with emulator(folder, chosen) as here:
            await here.jobs.submit("p", cluster())
            await here.until(lambda: here.jobs.get("p", "j").state == "RUNNING")
            await asyncio.sleep(1)
            said = here.says("Nothing has happened for 0.3 s")
            await here.jobs.cancel("p", "j")
            await here.ended()
            return said

    async def work() -> None:
        assert await stalls(runner, tmp_path / "silent")
        assert not await stalls(metered, tmp_path / "working")

    run(work)


@pytest.mark.parametrize(("asked", "allowed_s"), [("90s", 90), ("", 604_800)])
def test_a_job_over_its_time_is_cancelled(tmp_path: Path, asked: str, allowed_s: float) -> None:
    runner = FakeRunner(master_0=SERVES)

    async def work() -> None:
        async with emulator(tmp_path, runner, USUAL) as here:
            await here.jobs.submit("p", cluster(scheduling=Scheduling(max_running_time=asked)))
            await asyncio.sleep(allowed_s - 1)
            assert here.jobs.get("p", "j").state == "RUNNING"
            await asyncio.sleep(2)
            job = await here.ended()
            assert job.state == "CANCELLED"
            assert here.says("longer than its maxRunningTime")
            assert job.start_time
            assert job.end_time
            assert allowed_s <= (job.end_time - job.start_time).total_seconds() < allowed_s + 20

    run(work)


def test_a_job_that_never_starts_is_cancelled_after_its_wait(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=SERVES, worker_1=Life(hangs=True))

    async def work() -> None:
        async with emulator(tmp_path, runner, USUAL) as here:
            await here.jobs.submit("p", cluster(scheduling=Scheduling(max_wait_time="1800s")))
            await asyncio.sleep(1799)
            assert here.jobs.get("p", "j").state == "PREPARING"
            await asyncio.sleep(2)
            job = await here.ended()
            assert (job.state, job.start_time) == ("CANCELLED", None)
            assert here.says("longer than its maxWaitTime")

    run(work)


def test_a_wait_is_over_once_the_job_runs(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=Life(DONE, after_s=7200))

    async def work() -> None:
        async with emulator(tmp_path, runner, USUAL) as here:
            await here.jobs.submit("p", cluster(scheduling=Scheduling(max_wait_time="1800s")))
            await asyncio.sleep(7200)
            assert (await here.ended()).state == "SUCCEEDED"

    run(work)


def test_skipped_time_is_over(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=SERVES)

    async def work() -> None:
        async with emulator(tmp_path, runner, USUAL) as here:
            await here.jobs.submit("p", cluster(scheduling=Scheduling(max_running_time="3600s")))
            await here.until(lambda: here.jobs.get("p", "j").state == "RUNNING")
            await here.timelines.advance("elsewhere", 7200)
            assert here.jobs.get("p", "j").state == "RUNNING"
            await here.timelines.advance("p", 7200)
            assert here.jobs.get("p", "j").state == "CANCELLING"
            job = await here.ended()
            assert job.start_time
            assert job.end_time
            assert (job.end_time - job.start_time).total_seconds() >= 7200
            assert here.time() < 60

    run(work)


def test_a_queue_delays_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        async with emulator(tmp_path, FakeRunner(), USUAL) as here:
            here.timelines.queue_jobs("p", 600)
            await here.jobs.submit("p", cluster())
            await asyncio.sleep(599)
            assert here.jobs.get("p", "j").state == "QUEUED"
            await asyncio.sleep(2)
            assert here.jobs.get("p", "j").state != "QUEUED"
            assert (await here.ended()).state == "SUCCEEDED"

    run(work)


def test_the_queue_counts_as_waiting(tmp_path: Path) -> None:
    runner = FakeRunner()

    async def work() -> None:
        async with emulator(tmp_path, runner, USUAL) as here:
            here.timelines.queue_jobs("p", 3600)
            await here.jobs.submit("p", cluster(scheduling=Scheduling(max_wait_time="1800s")))
            await here.timelines.advance("p", 1801)
            assert (await here.ended()).state == "CANCELLED"

    run(work)
    assert runner.started == []


def test_time_goes_on_while_nobody_looks(tmp_path: Path) -> None:
    """Deadlines and the queue are found again after a kill, with the time that was skipped."""
    limit = Scheduling(max_running_time="3600s")
    runner = FakeRunner(master_0=SERVES)

    async def work() -> None:
        async with emulator(tmp_path, runner, USUAL) as here:
            here.timelines.queue_jobs("p", 600)
            await here.jobs.submit("p", cluster(scheduling=limit))
        async with emulator(tmp_path, runner, USUAL) as here:
            here.jobs.resume()
            await asyncio.sleep(1)
            assert here.jobs.get("p", "j").state == "QUEUED"
            await here.timelines.advance("p", 600)
            await here.until(lambda: here.jobs.get("p", "j").state == "RUNNING")
        await asyncio.sleep(3601)
        async with emulator(tmp_path, runner, USUAL) as here:
            here.jobs.resume()
            assert (await here.ended()).state == "CANCELLED"

    run(work)


@pytest.mark.parametrize("moment", ["starting", "running", "grace", "deaf"])
def test_cancelling_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    deaf = Life(deaf=True)
    runner = {
        "starting": FakeRunner(master_0=SERVES, worker_1=Life(hangs=True)),
        "running": FakeRunner(master_0=Life(lines=("up",))),
        "grace": FakeRunner(worker_0=deaf),
        "deaf": FakeRunner(master_0=Life(lines=("up",), deaf=True), ps_0=deaf),
    }[moment]
    terms = Terms(end_grace_s=600, stop_grace_s=0.1, late_s=0.1)

    async def work() -> None:
        async with emulator(tmp_path, runner, terms) as here:
            await here.jobs.submit("p", cluster())
            reached = {
                "starting": lambda: len(runner.started) == 3,
                "grace": lambda: here.says("have 600 s to end"),
            }
            await here.until(reached.get(moment, lambda: here.says("up")))
            await here.jobs.cancel("p", "j")
            assert (await here.ended()).state == "CANCELLED"
            assert here.messages()[-1] == "Job cancelled."

    run(work)
