import re
from typing import Any

import pytest

from emulator import catalog
from emulator.plan import Accelerator, Plan, plan
from emulator.resources import AcceleratorConfig, ReplicaConfig, TrainingInput
from emulator.tf_config import Task

CATALOG = catalog.load()
NAME = "projects/p/jobs/j"


def laid_out(scale: float = 1.0, **fields: Any) -> Plan:
    return plan(NAME, TrainingInput(**fields), CATALOG, scale=scale)


def custom(**fields: Any) -> Plan:
    return laid_out(scale_tier="CUSTOM", **{"master_type": "n1-standard-4", **fields})


def counts(found: Plan) -> dict[str, int]:
    roles = [task.type for task in found.tasks]
    return {role: roles.count(role) for role in dict.fromkeys(roles)}


@pytest.mark.parametrize(
    ("tier", "roles", "units"),
    [
        ("BASIC", {"master": 1}, 0.3878),
        ("STANDARD_1", {"master": 1, "worker": 4, "ps": 3}, 4.0571),
        ("PREMIUM_1", {"master": 1, "worker": 19, "ps": 11}, 33.7829),
        ("BASIC_GPU", {"master": 1}, 1.6939),
        ("BASIC_TPU", {"master": 1}, 9.5714),
    ],
)
def test_each_tier_has_its_replicas_and_its_price(
    tier: str, roles: dict[str, int], units: float
) -> None:
    found = laid_out(scale_tier=tier)
    assert counts(found) == roles
    assert found.tasks[0] == Task("master", 0)
    assert found.units_per_hour == pytest.approx(units, abs=1e-4)


def test_machines_are_those_of_the_tier() -> None:
    master, *others = laid_out(scale_tier="STANDARD_1").members
    assert (master.machine_type, master.cpus) == ("n1-highcpu-8", 8)
    assert others[-1].task == Task("ps", 2)
    assert (others[-1].machine_type, others[-1].memory_bytes) == ("n1-standard-4", 15 << 30)


def test_host_names_are_the_service_s_and_stay_the_same() -> None:
    found = custom(worker_type="n1-standard-4", worker_count=2)
    for host in found.hosts:
        assert re.fullmatch(r"cmle-training-(master|worker)-[0-9a-f]{10}-\d", host)
    assert len({host.split("-")[3] for host in found.hosts}) == 1
    assert custom(worker_type="n1-standard-4", worker_count=1).hosts == found.hosts[:2]
    assert plan("projects/p/jobs/k", TrainingInput(), CATALOG).members[0].host != found.hosts[0]


def test_the_cluster_names_everyone_but_evaluators() -> None:
    found = custom(
        worker_type="n1-standard-4",
        worker_count=2,
        parameter_server_type="n1-standard-4",
        parameter_server_count=1,
        evaluator_type="n1-standard-4",
        evaluator_count=1,
    )
    addresses = {host: f"{host}:2222" for host in found.hosts}
    cluster = found.cluster(addresses)
    assert {role: len(hosts) for role, hosts in cluster.items()} == {
        "master": 1,
        "worker": 2,
        "ps": 1,
    }
    assert cluster["worker"][1] == f"{found.hosts[2]}:2222"
    assert counts(found)["evaluator"] == 1


def test_a_master_with_an_evaluator_is_a_cluster_and_one_alone_is_none() -> None:
    beside = custom(evaluator_type="n1-standard-4", evaluator_count=1)
    assert list(beside.cluster(dict.fromkeys(beside.hosts, "a:2222"))) == ["master"]
    assert custom().hosts == ()
    assert custom().cluster({}) == {"master": ["127.0.0.1:2222"]}


def test_a_fraction_of_the_workers_and_parameter_servers_is_rounded_up() -> None:
    found = laid_out(0.1, scale_tier="PREMIUM_1")
    assert counts(found) == {"master": 1, "worker": 2, "ps": 2}
    assert found.reduced == ("worker: 2 of 19", "ps: 2 of 11")
    assert found.units_per_hour == laid_out(scale_tier="PREMIUM_1").units_per_hour
    assert laid_out(0.3, scale_tier="STANDARD_1").reduced == ("worker: 2 of 4", "ps: 1 of 3")
    evaluators = custom(evaluator_type="n1-standard-4", evaluator_count=2)
    assert plan(NAME, TrainingInput(), CATALOG, scale=0.01).reduced == ()
    assert counts(evaluators)["evaluator"] == 2


@pytest.mark.parametrize(
    ("fields", "gpu"),
    [
        ({"scale_tier": "BASIC_GPU"}, "NVIDIA_TESLA_K80:1"),
        ({"scale_tier": "CUSTOM", "master_type": "complex_model_m_p100"}, "NVIDIA_TESLA_P100:4"),
        (
            {
                "scale_tier": "CUSTOM",
                "master_type": "n1-standard-8",
                "master_config": ReplicaConfig(
                    accelerator_config=AcceleratorConfig(count=2, type="NVIDIA_TESLA_T4")
                ),
            },
            "NVIDIA_TESLA_T4:2",
        ),
    ],
    ids=str,
)
def test_gpus_are_the_tier_s_the_machine_s_or_the_configuration_s(
    fields: dict[str, Any], gpu: str
) -> None:
    found = laid_out(**fields)
    assert str(found.members[0].gpu) == gpu
    assert found.gpus == int(gpu[-1])


def test_a_tpu_is_the_master_s_and_no_replica() -> None:
    assert laid_out(scale_tier="BASIC_TPU").tpu == Accelerator("TPU_V2", 8)
    third = ReplicaConfig(accelerator_config=AcceleratorConfig(count=8, type="TPU_V3"))
    found = custom(worker_type="cloud_tpu", worker_count=1, worker_config=third)
    assert found.tpu == Accelerator("TPU_V3", 8)
    assert counts(found) == {"master": 1}
    assert found.members[0].gpu is None
    assert custom(worker_type="cloud_tpu", worker_count=1).tpu == Accelerator("TPU_V2", 8)


def test_others_run_the_master_s_image_unless_they_have_their_own() -> None:
    found = custom(
        master_config=ReplicaConfig(image_uri="a", container_command=("run",)),
        worker_type="n1-standard-4",
        worker_count=1,
        worker_config=ReplicaConfig(image_uri="b", container_args=("x",)),
        parameter_server_type="n1-standard-4",
        parameter_server_count=1,
    )
    assert [(it.image, it.command, it.args) for it in found.members] == [
        ("a", ("run",), ()),
        ("b", (), ("x",)),
        ("a", (), ()),
    ]
    assert found.images == ("a", "b")
