"""TensorFlow 1.15: TPUEstimator runs on the CPU, and its step is checked as a TPU would see it."""

from typing import Any

import pytest

from emulator.accelerator_stubs import tpu_variables
from emulator.shipped import folder

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

TPU = tpu_variables("TPU_V2", 8, "cmle-tpu")
LOCAL = {**TPU, "CMLE_TPU_LOCAL_FILES": "allow"}


@pytest.fixture(scope="module")
def seen(replica: Any) -> Any:
    return replica("1.15", ["-m", "tpu_1"], **LOCAL)


def test_model_is_checked_with_a_cores_batch_and_runs_with_the_whole(seen: Any) -> None:
    deployment, checked, run, *_ = seen["seen"]
    assert deployment == ["/device:CPU:0", 0, 1, 8]
    assert checked == [True, 16, [16, 4]]
    assert run == [True, 128, [128, 4]]


def test_estimator_learns_evaluates_and_predicts(seen: Any) -> None:
    assert seen["mae"] < 0.2
    assert seen["predicted"] == 200


def test_estimator_learns_in_bfloat16(seen: Any) -> None:
    types, error = seen["bfloat16"]
    assert types == ["bfloat16", "float32"]
    assert error < 0.5


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dynamic", "must have static shape"),
        ("strings", "Infeed does not support strings"),
        ("python input", "callback pyfunc_0 is not found"),
        ("batch of its own", "must be evenly divisible by 8 but is 12"),
        ("py_func", "No registered 'PyFunc' OpKernel for XLA_TPU_JIT"),
        ("no CrossShardOptimizer", "CrossShardOptimizer must be used for model training on TPUs."),
        ("batch of 130", "train batch size 130 must be divisible by number of replicas 8"),
        ("no steps", "one of `steps` or `max_steps` must be set"),
        ("rewrite", "No registered 'AsString' OpKernel for XLA_TPU_JIT"),
    ],
)
def test_rules_are_enforced(seen: Any, kind: str, text: str) -> None:
    assert text in seen[kind]


def test_findings_are_said(seen: Any) -> None:
    said = "\n".join(seen["said"])
    assert "summaries: 1 tf.summary operations of the model_fn are dropped" in said
    assert "local file: File system scheme '[local]' not implemented" in said
    assert "tpu_1.py" in said, "the file that the pipeline reads"


def test_sessions_of_the_tpu_are_local(seen: Any) -> None:
    assert seen["started"] is True
    assert seen["rewritten"] == [2.0, 2.0]


def test_a_local_model_dir_is_refused(replica: Any) -> None:
    ran = replica("1.15", ["-m", "tpu_1", "rules"], **TPU)
    assert "UnimplementedError: File system scheme '[local]'" in ran["local model_dir"]


def test_estimator_trainer_learns_and_exports(replica: Any) -> None:
    path = folder("trainer_fixtures") / "tpu_estimator"
    ran = replica("1.15", ["-m", "trainer.task", "--job-dir=job"], path=path, **LOCAL)
    assert ran.code == 0, ran.output[-4000:]
    assert "learned: mean absolute error below 0.2" in ran.output
    assert "exported to job" in ran.output
