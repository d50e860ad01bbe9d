import json
from typing import Any

import msgspec
import pytest

from emulator import catalog
from emulator.fitting import Fitting
from emulator.grounds import Grounds, Terms
from emulator.plan import plan
from emulator.projects import Projects
from emulator.resources import Job, TrainingInput
from emulator.runners import Abilities
from emulator.tf_config import Task
from emulator.training import Prepared
from tests.fake_runner import FakeRunner

CATALOG = catalog.load()
SMALL = Abilities(cpus=2, memory_bytes=24 << 30)


def fitting(tier: str, terms: Terms, abilities: Abilities = SMALL, **fields: Any) -> Fitting:
    spec = TrainingInput(scale_tier=tier, runtime_version="1.15", **fields)
    runner = FakeRunner()
    runner.abilities = abilities
    return Fitting(
        Job(job_id="j", training_input=spec),
        plan("projects/p/jobs/j", spec, CATALOG, scale=terms.replica_scale),
        Prepared(python="/env/bin/python", imports=("tensorflow",)),
        Grounds(runner, "namespaces", CATALOG, terms),
        Projects("p", "").get("p"),
    )


def addresses(found: Fitting) -> dict[str, str]:
    return {host: f"{host}:2222" for host in found.plan.hosts}


def test_a_member_is_described_with_its_share() -> None:
    found = fitting("STANDARD_1", Terms())
    replica = found.replica(Task("ps", 2), "ps-replica-2.2", addresses(found))
    assert (replica.name, replica.task) == ("ps-replica-2.2", "ps-replica-2")
    assert replica.hostname == found.plan.hosts[-1]
    assert (replica.cpus, replica.env["OMP_NUM_THREADS"]) == (2.0, "1")
    assert replica.memory_bytes == int(15 * 0.9 * 24 / 81 * (1 << 30))
    assert replica.disk_bytes == 100 << 30
    assert replica.preload == ("tensorflow",)
    cluster = json.loads(replica.env["TF_CONFIG"])["cluster"]
    assert {role: len(hosts) for role, hosts in cluster.items()} == {
        "master": 1,
        "worker": 4,
        "ps": 3,
    }


def test_a_cluster_may_have_a_lower_level_than_a_single_replica() -> None:
    """Where the kernel gives namespaces, and no networks between them."""
    for tier, level in (("BASIC", "namespaces"), ("STANDARD_1", "none")):
        found = fitting(tier, Terms())
        grounds = msgspec.structs.replace(found.grounds, of_clusters=lambda: "none")
        found = msgspec.structs.replace(found, grounds=grounds)
        assert found.replica(Task(), "m", addresses(found)).isolation == level


def test_gpus_of_the_machine_are_given_out() -> None:
    found = fitting("BASIC_GPU", Terms(), Abilities(cpus=8, memory_bytes=1 << 40, gpus=2))
    assert found.replica(Task(), "m", {}).gpus == 1
    assert list(found.warnings({})) == []


@pytest.mark.parametrize(
    ("tier", "terms", "abilities", "words"),
    [
        ("BASIC", Terms(), Abilities(cpus=4, memory_bytes=1 << 40), []),
        ("BASIC", Terms(), SMALL, ["scaled down"]),
        ("BASIC", Terms(limits="off"), SMALL, []),
        ("STANDARD_1", Terms(limits="off"), SMALL, ["TF_NUM_INTRAOP_THREADS=1"]),
        (
            "PREMIUM_1",
            Terms(replica_scale=0.1),
            Abilities(cpus=64, memory_bytes=1 << 40),
            ["worker: 2 of 19, ps: 2 of 11"],
        ),
        ("BASIC_TPU", Terms(limits="off"), SMALL, ["TPU of this job"]),
        ("BASIC_GPU", Terms(limits="off"), SMALL, ["GPUs of this job"]),
    ],
)
def test_the_log_says_how_it_differs_from_the_service(
    tier: str, terms: Terms, abilities: Abilities, words: list[str]
) -> None:
    found = fitting(tier, terms, abilities)
    said = list(found.warnings(addresses(found)))
    assert len(said) == len(words)
    for text, word in zip(said, words, strict=True):
        assert word in text


def test_a_network_that_is_shared_is_said() -> None:
    found = fitting("STANDARD_1", Terms(limits="off"), Abilities(cpus=64))
    shared = {host: f"localhost:{3000 + n}" for n, host in enumerate(found.plan.hosts)}
    (said,) = found.warnings(shared)
    assert "localhost:3000" in said
    assert list(found.warnings(addresses(found))) == []
