"""TensorFlow 2.11's own TPUStrategy on the stub, and the rules that it enforces."""

from pathlib import Path
from typing import Any

import pytest

from emulator.accelerator_stubs import tpu_variables
from emulator.shipped import folder

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

TPU = {**tpu_variables("TPU_V2", 8, "cmle-tpu"), "CMLE_TPU_COLLECTIVE_TIMEOUT_S": "60"}


@pytest.fixture(scope="module")
def seen(replica: Any) -> Any:
    return replica("2.11", ["-m", "tpu_2"], **TPU)


def test_order_of_connecting_is_enforced(seen: Any) -> None:
    assert "TPUs not found in the cluster" in seen["start before connecting"]
    assert "Cannot find any TPU cores in the system" in seen["strategy before starting"]


def test_resolver_without_arguments_finds_the_node(seen: Any) -> None:
    assert seen["cluster"] == [{"worker": ["10.240.1.2:8470"]}, "grpc://10.240.1.2:8470"]
    assert any("asks for the TPU 'someone-elses'" in line for line in seen["said"])


def test_eight_cores_in_sync(seen: Any) -> None:
    assert seen["cores"][7] == "/job:worker/replica:0/task:0/device:TPU:7"
    assert seen["mesh"] == [2, 2, 1, 2]
    assert seen["experimental"] == 8
    assert seen["is TPUStrategy"] is True


def test_each_core_learns_from_its_part_of_the_batch(seen: Any) -> None:
    # 16 rows of ones: the loss is mean((0 - 2)^2) = 4, of which each core has an eighth.
    assert seen["loss"] == pytest.approx([0.5] * 8)
    assert seen["shape of a core"] == [2, 4]
    assert seen["mean"] == pytest.approx(4.0)
    # gradient = mean(2 * (0 - 2) * 1) = -4, the step is 0.1
    assert seen["weight"] == pytest.approx([0.4] * 4)
    assert seen["copies"] == 1


def test_cores_exchange_values(seen: Any) -> None:
    assert seen["sum without variables"] == [8.0] * 8
    assert seen["gather"] == [[1.0]] * 16
    assert seen["replica id"] == list(range(8))
    assert seen["assign"] == [8.0] * 8


def test_partial_batches_are_dynamic_shapes(seen: Any) -> None:
    assert sum(seen["partial batch"]) == 13 * 4
    assert any("dynamic shape" in line and "(None, 4)" in line for line in seen["said"])


def test_batches_that_do_not_divide_are_reported(seen: Any) -> None:
    assert any("a global batch of 12 does not divide by 8 cores" in line for line in seen["said"])


@pytest.mark.parametrize(
    ("step", "operation"),
    [("py_function", "EagerPyFunc"), ("print", "PrintV2"), ("strings", "StringLength")],
)
def test_what_xla_cannot_compile_is_refused(seen: Any, step: str, operation: str) -> None:
    assert seen[step].startswith("InvalidArgumentError")
    assert "Detected unsupported operations when trying to compile graph" in seen[step]
    assert f"No registered '{operation}' OpKernel for XLA_TPU_JIT" in seen[step]
    assert "TPU stub: a real TPU compiles the whole step" in seen[step]


def test_soft_placement_lets_the_host_do_it(seen: Any) -> None:
    assert seen["py_function on the host"] == [[1.0] * 4] * 2
    assert any("host call" in line and "EagerPyFunc" in line for line in seen["said"])
    assert seen["outside"] == [[1.0] * 4] * 2


def test_tensorflows_own_refusals_stay(seen: Any) -> None:
    assert "does not support pure eager execution" in seen["pure eager"]
    assert "sparse or ragged" in seen["ragged"]
    assert "ValueError" in seen["variable in step"]


def test_pipelines_run_without_the_programs_python_and_files(seen: Any) -> None:
    assert "callback pyfunc_0 is not found" in seen["numpy_function in the pipeline"]
    for name in ("local file", "local files found"):
        assert "File system scheme '[local]' not implemented" in seen[name]
        assert "rows.csv" in seen[name]


def test_an_error_of_the_step_does_not_hang(seen: Any) -> None:
    assert "Cannot reshape" in seen["a core fails"]
    assert seen["some cores fail"].startswith(("CancelledError", "InvalidArgumentError"))
    assert "not a valid node name" not in seen.output


def test_names_of_the_tpus_devices_are_taken(seen: Any) -> None:
    assert seen["placed"].endswith("CPU:1")


@pytest.mark.parametrize(
    "name", ["local checkpoint", "local restore", "local export", "local summaries"]
)
def test_local_files_are_refused(seen: Any, name: str) -> None:
    assert seen[name].startswith("UnimplementedError: File system scheme '[local]'")
    assert "Use a gs:// path" in seen[name]


def test_other_files_are_written(seen: Any) -> None:
    assert seen["remote checkpoint"] == "ram://bucket/model"
    assert seen["local checkpoint of the replica"] == "here/model"


def test_the_log_says_that_it_is_emulated(seen: Any) -> None:
    assert "The TPU_V2 of this job is emulated on the CPU" in seen.output


@pytest.fixture(scope="module")
def steps(replica: Any) -> Any:
    variables = {**TPU, "CMLE_TPU_COLLECTIVE_TIMEOUT_S": "10"}
    return replica("2.11", ["-m", "tpu_steps"], **variables)


def test_nothing_keeps_iterators_of_an_epoch(steps: Any) -> None:
    # An iterator that is autotuned sleeps up to a minute before it ends.
    assert steps["autotuned"] == [False] * 9
    assert steps["epochs"] == 20, steps.output[-4000:]


def test_sums_leave_no_threads_behind(steps: Any) -> None:
    assert steps["sum"] == [64.0] * 8
    assert steps["more threads"] < 20 * 8  # not one for each step of a core, or each of 8 sums


def test_a_sum_that_some_cores_leave_out_does_not_hang(steps: Any) -> None:
    assert "Collective has timed out" in steps["left out"], steps.output[-4000:]


def trainer(name: str) -> Path:
    return folder("trainer_fixtures") / name


def test_keras_trainer_learns_and_exports(replica: Any) -> None:
    argv = ["-m", "trainer.task", "--job-dir=ram://bucket/tpu_keras"]
    ran = replica("2.11", argv, path=trainer("tpu_keras"), CMLE_TPU_CORES="2", **TPU)
    assert ran.code == 0, ran.output[-4000:]
    assert "2 cores, batches of 32" in ran.output
    assert "with 2 of 8 cores" in ran.output
    assert "exported to ram://bucket/tpu_keras" in ran.output


def test_py_function_trainer_fails(replica: Any) -> None:
    ran = replica("2.11", ["-m", "trainer.task"], path=trainer("tpu_py_function"), **TPU)
    assert ran.code == 1
    assert "No registered 'EagerPyFunc' OpKernel for XLA_TPU_JIT" in ran.output
    assert "before the step" in ran.output
    assert "never printed" not in ran.output


@pytest.mark.soak
def test_local_checkpoint_trainer_fails(replica: Any) -> None:
    ran = replica("2.11", ["-m", "trainer.task"], path=trainer("tpu_local_checkpoint"), **TPU)
    assert ran.code == 1
    assert "not implemented (file: 'checkpoints/model-1')" in ran.output
    assert "never printed" not in ran.output


@pytest.mark.soak
@pytest.mark.parametrize("arguments", [["1", "float32"], ["4", "float32"]])
def test_networks_with_batch_norm_train(replica: Any, arguments: list[str]) -> None:
    ran = replica("2.11", ["-m", "tpu_network", *arguments], **TPU)
    assert ran["finite"] is True, ran.output[-4000:]
    assert ran["predicted"] == [37, 1]


def test_layers_compute_in_bfloat16(replica: Any) -> None:
    ran = replica("2.11", ["-m", "tpu_bfloat16"], **TPU)
    assert ran["types"] == ["bfloat16", "float32"]
    assert ran["gradient"] == [[16.0] * 4] * 8
