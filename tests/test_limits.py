import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import catalog
from emulator.limits import LEAST_BYTES, Limit, fit, refusal, threads
from emulator.plan import Plan, plan
from emulator.resources import TrainingInput
from emulator.runners import Abilities

CATALOG = catalog.load()
GIB = 1 << 30
SMALL = Abilities(cpus=2, memory_bytes=24 * GIB)
LARGE = Abilities(cpus=256, memory_bytes=4096 * GIB)


def job(tier: str) -> Plan:
    return plan("j", TrainingInput(scale_tier=tier), CATALOG)


def test_a_machine_that_is_large_enough_gives_what_the_type_has() -> None:
    found = fit(job("PREMIUM_1"), LARGE, "scaled")
    assert found == fit(job("PREMIUM_1"), LARGE, "exact")
    assert found.limits[0] == Limit(16.0, int(14.4 * GIB), 100 * GIB)
    assert found.warning == ""


def test_a_smaller_machine_gives_a_part_and_says_so() -> None:
    found = fit(job("BASIC"), SMALL, "scaled")
    assert found.limits == (Limit(2.0, 15 * GIB, 100 * GIB),)
    assert found.warning.startswith(
        "The machine types of this job are scaled down: this machine has 2 CPUs and 24 GiB. Each "
        "replica is limited to: master (n1-standard-4) 2 of 4 CPUs, 15 of 15 GiB. "
    )
    for way in ("--limits exact", "--limits off"):
        assert way in found.warning


def test_many_replicas_share_the_memory_down_to_a_floor() -> None:
    standard = fit(job("STANDARD_1"), SMALL, "scaled")
    total = 5 * 7.2 + 3 * 15
    assert standard.limits[1].memory_bytes == max(2 * GIB, int(7.2 * GIB * 0.9 * 24 / total))
    assert standard.limits[7].memory_bytes == int(15 * GIB * 0.9 * 24 / total)
    assert standard.warning.count("worker (n1-highcpu-8)") == 1
    premium = fit(job("PREMIUM_1"), SMALL, "scaled")
    assert {limit.memory_bytes for limit in premium.limits} == {LEAST_BYTES}


def test_half_of_the_free_disk_is_the_most_that_one_may_write() -> None:
    room = Abilities(cpus=256, memory_bytes=4096 * GIB, disk_bytes=30 * GIB)
    found = fit(job("STANDARD_1"), room, "scaled")
    assert {limit.disk_bytes for limit in found.limits} == {15 * GIB}
    assert found.warning == ""
    assert fit(job("BASIC"), room, "exact").limits[0].disk_bytes == 100 * GIB


def test_off_is_no_limit_and_unknown_memory_is_no_reason() -> None:
    assert fit(job("BASIC"), SMALL, "off").limits == (Limit(),)
    assert fit(job("BASIC"), Abilities(cpus=4), "scaled").limits == (
        Limit(4.0, 15 * GIB, 100 * GIB),
    )


def test_exactly_is_refused_where_the_machine_is_smaller() -> None:
    text = refusal(job("STANDARD_1"), SMALL, "exact")
    assert text is not None
    assert "52 CPUs and 81 GiB" in text
    assert "this machine has 2 CPUs and 24 GiB" in text
    assert "--limits scaled" in text
    assert refusal(job("STANDARD_1"), LARGE, "exact") is None
    assert refusal(job("STANDARD_1"), SMALL, "scaled") is None


def test_threads_are_few_where_replicas_are_many() -> None:
    assert threads(job("BASIC"), SMALL) == {}
    assert threads(job("STANDARD_1"), SMALL) == {
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "2",
        "OMP_NUM_THREADS": "1",
    }
    assert threads(job("STANDARD_1"), Abilities(cpus=8)) == {}


@given(
    st.sampled_from(["BASIC", "STANDARD_1", "PREMIUM_1", "BASIC_GPU"]),
    st.integers(1, 128),
    st.integers(1, 2048),
)
def test_limits_never_exceed_the_type_nor_fall_below_the_floor(
    tier: str, cpus: int, memory_gib: int
) -> None:
    found = job(tier)
    abilities = Abilities(cpus=cpus, memory_bytes=memory_gib * GIB)
    for member, limit in zip(found.members, fit(found, abilities, "scaled").limits, strict=True):
        assert limit.cpus is not None
        assert limit.memory_bytes is not None
        assert 0 < limit.cpus <= min(cpus, member.cpus)
        assert min(LEAST_BYTES, member.memory_bytes) <= limit.memory_bytes <= member.memory_bytes


@pytest.mark.parametrize("policy", ["exact", "scaled"])
def test_a_machine_of_no_size_limits_the_disk_alone(policy: str) -> None:
    nothing = plan("j", TrainingInput(scale_tier="CUSTOM", master_type="unknown"), CATALOG)
    assert fit(nothing, SMALL, policy).limits == (Limit(disk_bytes=100 * GIB),)  # type: ignore[arg-type]
