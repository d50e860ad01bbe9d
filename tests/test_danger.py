import asyncio
from pathlib import Path

from emulator.cluster import Exit
from emulator.danger import Danger
from emulator.fault_plan import FaultPlan
from emulator.faults import FullDisk, Preempt
from tests.fake_emulator import cluster, emulator
from tests.fake_runner import DONE, FakeRunner, Life
from tests.virtual_time import run

WHOSE = ("p", "j")
LABEL = "worker-replica-0"
STEPS = ("loss = 2, step = 49", "loss = 1, step = 51")


def worker(**fields: object) -> Preempt:
    return Preempt(project="p", replica="worker-0", **fields)  # type: ignore[arg-type]


def test_strikes_at_the_first_line_of_the_step_or_a_later_one() -> None:
    async def work() -> None:
        plan = FaultPlan()
        await plan.add(worker(at_step=50))
        danger = Danger(plan, WHOSE, LABEL)
        assert danger.hear(STEPS[0]) is None
        struck = danger.hear(STEPS[1])
        assert struck is not None
        assert (struck.id, struck.reason) == ("preempt-1", "at step 51")
        assert danger.hear("step = 52") is None

    asyncio.run(work())


def test_strikes_each_life_once_and_as_often_as_it_may() -> None:
    async def work() -> list[bool]:
        plan = FaultPlan()
        await plan.add(worker(at_text=r"batch \d", times=2))
        lives = [Danger(plan, WHOSE, LABEL) for _ in range(3)]
        return [bool(life.hear("batch 1")) + bool(life.hear("batch 2")) == 1 for life in lives]

    assert asyncio.run(work()) == [True, True, False]


def test_strikes_by_the_clock_of_the_life() -> None:
    async def work() -> None:
        plan = FaultPlan()
        danger = Danger(plan, WHOSE, LABEL)
        waiting = asyncio.create_task(danger.due())
        await asyncio.sleep(0)
        await plan.add(worker(after_s=0.05))
        assert await waiting is None  # the plan has changed
        struck = await danger.due()
        assert struck is not None
        assert struck.reason == "0.05 s after it began"
        waiting = asyncio.create_task(danger.due())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(work())


def test_a_time_that_has_passed_already_is_due_at_once() -> None:
    async def work() -> None:
        plan = FaultPlan()
        await plan.add(worker(after_s=60))
        times = iter((0.0, 3600.0))
        assert await Danger(plan, WHOSE, LABEL, lambda: next(times)).due() is not None

    asyncio.run(work())


def test_a_preempted_worker_is_started_again_in_place(tmp_path: Path) -> None:
    runner = FakeRunner(
        master_0=Life(DONE, after_s=1.0),
        worker_0=(Life(lines=STEPS), Life(DONE, ("resumed",))),
    )

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.faults.add(worker(at_step=50, grace_s=3))
            job = await here.course(cluster(workers=1, ps=0))
            assert job.state == "SUCCEEDED", job.error_message
            assert here.says(
                "The machine of the replica worker 0 is preempted at step 51 (preempt-1): "
                "SIGTERM, and SIGKILL after 3 s."
            )
            assert here.says("The replica worker 0 ended (signal 15) and is restarted (1).")
            assert [it.struck for it in await here.faults.list("p")] == [1]

    run(work)
    assert ("worker-replica-0",) in runner.stopped
    first, second = (runner.replica(f"worker-replica-0{life}") for life in ("", ".2"))
    assert first.hostname == second.hostname


def test_who_ends_well_when_preempted_is_started_again_all_the_same(tmp_path: Path) -> None:
    saved = Exit("stopped", code=0)
    runner = FakeRunner(master_0=(Life(lines=("up",), when_stopped=saved), Life(DONE, ("again",))))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.faults.add(Preempt(project="p", at_text="^up$"))
            assert (await here.course(cluster(workers=0, ps=0))).state == "SUCCEEDED"
            assert "again" in here.messages("master-replica-0")

    run(work)


def test_a_running_replica_is_preempted_when_the_fault_is_set(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=(Life(lines=("up",)), Life(DONE, ("again",))))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.jobs.submit("p", cluster(workers=0, ps=0))
            await here.until(lambda: here.says("up"))
            await here.faults.add(Preempt(project="p", after_s=0))
            assert (await here.ended()).state == "SUCCEEDED"

    run(work)


def test_a_replica_that_is_preempted_too_often_fails_the_job(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=Life(lines=("step 1",)))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.faults.add(Preempt(project="p", at_step=1, times=24))
            assert (await here.course(cluster(workers=0, ps=0))).state == "FAILED"

    run(work)
    assert len(runner.started) == 24  # six lives in each of four attempts


def test_a_full_disk_is_that_of_one_start(tmp_path: Path) -> None:
    runner = FakeRunner(master_0=(Life(Exit("exited", signal=11)), Life(DONE)))

    async def work() -> None:
        async with emulator(tmp_path, runner) as here:
            await here.faults.add(FullDisk(project="p", free_bytes=4096, times=1))
            await here.course(cluster(workers=0, ps=0))
            assert here.says("The disk of the replica master 0 has room for 4096 bytes")

    run(work)
    first, second = (replica for _, replica in runner.started)
    assert (first.disk_bytes, first.has_full_disk) == (4096, True)
    assert not second.has_full_disk
