import asyncio
from collections.abc import Mapping, Sequence

import pytest

from emulator.errors import NotFound, ResourceExhausted
from emulator.fault_plan import FaultPlan
from emulator.faults import ExpiredTokens, FullDisk, Placed, Preempt, Quota, StorageUnavailable
from emulator.projects import Project, number_of
from emulator.resources import Job

JOB = Job(job_id="j")
PROJECT = Project("p", number_of("p"), "p", "")


class Gateway:
    def __init__(self) -> None:
        self.placed: list[list[str]] = []
        self.counts: dict[str, int] = {}

    async def place(self, faults: Sequence[Placed]) -> None:
        self.placed.append([placed.id for placed in faults])

    async def struck(self) -> Mapping[str, int]:
        return self.counts


def test_the_gateway_has_those_of_requests_and_their_counts() -> None:
    gateway = Gateway()

    async def work() -> list[Placed]:
        plan = FaultPlan(gateway)
        await plan.add(StorageUnavailable(project="p"))
        await plan.add(Quota(project="p"))
        await plan.add(ExpiredTokens(project="p"))
        await plan.remove("p", "storage-unavailable-1")
        gateway.counts = {"expired-tokens-1": 4}
        return await plan.list("p")

    found = asyncio.run(work())

    both = ["storage-unavailable-1", "expired-tokens-1"]
    assert gateway.placed == [both[:1], both[:1], both, both[1:]]
    assert [(it.id, it.struck) for it in found] == [("quota-1", 0), ("expired-tokens-1", 4)]


def test_a_project_sees_and_removes_its_own_only() -> None:
    async def work() -> None:
        plan = FaultPlan()
        await plan.add(Quota(project="p"))
        await plan.add(Quota(project="other"))
        assert [it.id for it in await plan.list("p")] == ["quota-1"]
        with pytest.raises(NotFound, match="The project p has no fault quota-2"):
            await plan.remove("p", "quota-2")
        assert await plan.clear("p") == ("quota-1",)
        assert [it.id for it in await plan.list("other")] == ["quota-2"]
        assert await plan.clear("other") == ("quota-2",)
        assert not plan

    asyncio.run(work())


def test_a_number_is_never_given_twice() -> None:
    async def work() -> str:
        plan = FaultPlan()
        await plan.add(Quota(project="p"))
        await plan.clear("p")
        return (await plan.add(Quota(project="p"))).id

    assert asyncio.run(work()) == "quota-2"


def test_a_quota_refuses_as_often_as_it_may() -> None:
    async def work() -> None:
        plan = FaultPlan()
        plan.check_job("p", JOB)
        await plan.add(Quota(project="p", times=2))
        await plan.add(Quota(project="p", of="predictions", times=1))
        for _ in range(2):
            with pytest.raises(ResourceExhausted, match="Quota failure for project p"):
                plan.check_job("p", JOB)
        plan.check_job("other", JOB)
        plan.check_job("p", JOB)
        with pytest.raises(ResourceExhausted, match="Online prediction requests"):
            plan.check_prediction(PROJECT)
        plan.check_prediction(PROJECT)
        assert [it.struck for it in await plan.list("p")] == [2, 1]

    asyncio.run(work())


def test_a_replica_meets_its_own_faults_only() -> None:
    async def work() -> None:
        plan = FaultPlan()
        await plan.add(Preempt(project="p", job="train*", replica="worker-1", at_step=9))
        await plan.add(FullDisk(project="p", replica="worker-*", free_bytes=5, times=1))

        def ids(project: str, job: str, label: str) -> list[str]:
            return [fault_id for fault_id, _ in plan.preemptions(project, job, label)]

        assert ids("p", "train7", "worker-replica-1") == ["preempt-1"]
        assert ids("p", "train7", "worker-replica-0") == []
        assert ids("p", "other", "worker-replica-1") == []
        assert ids("q", "train7", "worker-replica-1") == []
        assert plan.strike("preempt-1")
        assert not plan.strike("preempt-1")
        assert not plan.strike("no-such")
        assert ids("p", "train7", "worker-replica-1") == []
        assert plan.full_disk("p", "j", "master-0") is None
        assert plan.full_disk("p", "j", "worker-0") == ("full-disk-1", 5)
        assert plan.full_disk("p", "j", "worker-0") is None

    asyncio.run(work())


def test_tokens_carry_what_has_expired_those_before() -> None:
    async def work() -> None:
        plan = FaultPlan()
        assert plan.token_marks() == ()
        await plan.add(ExpiredTokens(project="p"))
        await plan.add(ExpiredTokens(project="q"))
        assert plan.token_marks("p") == ("expired-tokens-1",)
        assert plan.token_marks() == ("expired-tokens-1", "expired-tokens-2")

    asyncio.run(work())


def test_a_change_is_told_to_who_waits() -> None:
    async def work() -> None:
        plan = FaultPlan()
        before = plan.change
        await plan.add(Quota(project="p"))
        assert before.is_set()
        assert not plan.change.is_set()

    asyncio.run(work())
