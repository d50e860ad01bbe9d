import pytest

from emulator import catalog
from emulator.accelerator_stubs import TPU_NODE_VARIABLE, gpu_variables, tpu_variables
from emulator.accelerators import Equipment, Policy, equipment, refusal, warnings
from emulator.cluster import Bind
from emulator.plan import Plan, plan
from emulator.resources import ReplicaConfig, TrainingInput
from emulator.runners import Abilities
from emulator.shipped import ACCELERATORS

FOLDER = str(ACCELERATORS)
NONE, ONE = Abilities(), Abilities(gpus=1)


def job(tier: str, image: str = "") -> Plan:
    config = ReplicaConfig(image_uri=image)
    spec = TrainingInput(scale_tier=tier, master_config=config)
    return plan("j", spec, catalog.load())


def given_to_master(found: Plan, abilities: Abilities, policy: Policy = "auto") -> Equipment:
    return equipment(found, found.members[0], abilities, policy)


def test_a_job_without_accelerators_gets_nothing() -> None:
    assert given_to_master(job("BASIC"), ONE) == Equipment()
    assert warnings(job("BASIC"), ONE, "auto") == []


def test_real_gpus_are_taken_where_there_are_enough() -> None:
    assert given_to_master(job("BASIC_GPU"), ONE) == Equipment(gpus=1)
    assert warnings(job("BASIC_GPU"), ONE, "auto") == []
    assert refusal(job("BASIC_GPU"), ONE, "require") is None


@pytest.mark.parametrize(("abilities", "policy"), [(NONE, "auto"), (ONE, "stub"), (NONE, "stub")])
def test_otherwise_cpus_pass_for_them(abilities: Abilities, policy: Policy) -> None:
    found = given_to_master(job("BASIC_GPU"), abilities, policy)
    assert found.gpus == 0
    assert found.variables == gpu_variables("NVIDIA_TESLA_K80", 1)
    assert found.binds == (Bind(FOLDER, FOLDER),)
    assert found.python_path == (FOLDER,)
    (warning,) = warnings(job("BASIC_GPU"), abilities, policy)
    assert "NVIDIA_TESLA_K80" in warning
    assert "stub" in warning


def test_real_ones_alone_may_be_required() -> None:
    text = refusal(job("BASIC_GPU"), NONE, "require")
    assert text is not None
    assert "asks for 1 GPUs, this emulator's runner has 0" in text
    assert "--gpu auto" in text


def test_a_tpu_is_always_a_stub_of_the_master() -> None:
    found = given_to_master(job("BASIC_TPU"), ONE, "require")
    node = found.variables[TPU_NODE_VARIABLE]
    assert node.startswith("cmle-training-tpu-")
    assert found.variables == tpu_variables("TPU_V2", 8, node)
    (warning,) = warnings(job("BASIC_TPU"), ONE, "auto")
    assert "8 cores" in warning


def test_nothing_is_forced_on_ones_own_image() -> None:
    assert given_to_master(job("BASIC_GPU", "gcr.io/a/b"), NONE) == Equipment()
    found = given_to_master(job("BASIC_TPU", "gcr.io/a/b"), NONE)
    assert list(found.variables) == ["KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS"]
    assert "own image" in warnings(job("BASIC_GPU", "gcr.io/a/b"), NONE, "auto")[0]
