"""GPUs that are not there: listed, named, placed on, and replicated over, in both runtimes."""

from typing import Any

import pytest

from emulator.accelerator_stubs import gpu_variables
from emulator.shipped import folder

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

GPUS = gpu_variables("NVIDIA_TESLA_K80", 2)
ONE = gpu_variables("NVIDIA_TESLA_K80", 1)
TRAINERS = folder("trainer_fixtures")


@pytest.fixture(scope="module")
def seen_2(replica: Any) -> Any:
    return replica("2.11", ["-m", "gpu_2"], **GPUS)


@pytest.fixture(scope="module")
def seen_1(replica: Any) -> Any:
    return replica("1.15", ["-m", "gpu_1"], **GPUS)


@pytest.fixture(params=["2.11", "1.15"])
def seen(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue({"2.11": "seen_2", "1.15": "seen_1"}[request.param])


def test_gpus_are_listed(seen: Any) -> None:
    assert seen["physical"] == ["/physical_device:GPU:0", "/physical_device:GPU:1"]
    assert seen["local"][-2:] == ["/device:GPU:0", "/device:GPU:1"]
    assert seen["available"] == [True, False], "a K80 has compute capability 3.7"
    assert seen["name"] == "/device:GPU:0"
    assert "2 NVIDIA_TESLA_K80 are emulated on the CPU" in seen.output


def test_memory_growth_is_kept(seen_2: Any) -> None:
    assert seen_2["growth"] is True
    assert "Tesla K80" in seen_2["details"]


def test_operations_are_placed(seen_2: Any) -> None:
    assert seen_2["eager"] == 8.0
    assert seen_2["function"] == 2.0
    assert seen_2["channels first"] == [1, 2, 8, 8]


def test_sessions_place_softly(seen_1: Any) -> None:
    assert seen_1["session"] == 9.0
    assert seen_1["session with options"] == 9.0


def test_a_gpu_too_many_is_refused_unless_placement_is_soft(seen: Any) -> None:
    assert seen["beyond the count"].startswith("InvalidArgumentError")
    assert "GPU:7" in seen["beyond the count"]
    assert "this tier has 2" in seen["beyond the count"]
    assert isinstance(seen["beyond the count, soft"], float)


def test_a_replica_on_each_gpu(seen_2: Any, seen_1: Any) -> None:
    assert seen_2["logical"] == ["/device:GPU:0", "/device:GPU:1"]
    assert seen_2["explicit"] == 2
    assert seen_2["replicas"] == 2
    assert seen_2["learns"] is True
    count, devices = seen_1["replicas"]
    assert count == 2
    assert devices[1].endswith("device:GPU:1")
    assert seen_1["estimator"] == 5
    assert seen_1["keras"] is True


def test_eager_execution_in_1_15(replica: Any) -> None:
    ran = replica("1.15", ["-m", "gpu_eager_1"], **GPUS)
    assert ran["eager"] == 8.0
    assert ran["function"] == 2.0
    assert ran["beyond the count"].startswith("InvalidArgumentError")


@pytest.mark.soak
def test_cards_may_be_divided_and_hidden(replica: Any) -> None:
    ran = replica("2.11", ["-m", "gpu_divided"], **GPUS)
    assert ran["logical"] == ["/device:GPU:0", "/device:GPU:1"]
    assert ran["replicas"] == 2
    hidden = replica("2.11", ["-m", "gpu_divided"], CUDA_VISIBLE_DEVICES="0", **GPUS)
    assert hidden["replicas"] == 2


def test_keras_trainer_learns_and_exports(replica: Any) -> None:
    argv = ["-m", "trainer.task", "--job-dir=job"]
    ran = replica("2.11", argv, path=TRAINERS / "gpu_keras", **ONE)
    assert ran.code == 0, ran.output[-4000:]
    assert "1 GPU, /device:GPU:0" in ran.output


def test_session_trainer_learns_on_two(replica: Any) -> None:
    argv = ["-m", "trainer.task", "--job-dir=job"]
    ran = replica("1.15", argv, path=TRAINERS / "gpu_session", **GPUS)
    assert ran.code == 0, ran.output[-4000:]
    assert "learned on 2 GPUs" in ran.output
