from typing import Any

import pytest

from emulator import catalog
from emulator.admission import Admission
from emulator.errors import FailedPrecondition
from emulator.grounds import Grounds, Terms
from emulator.resources import HyperparameterSpec, Job, ReplicaConfig, TrainingInput, Version
from emulator.runners import Abilities
from tests.fake_runner import FakeRunner

CATALOG = catalog.load()


def admission(terms: Terms | None = None, **abilities: Any) -> Admission:
    runner = FakeRunner()
    runner.abilities = Abilities(**{"cpus": 2, "memory_bytes": 24 << 30, **abilities})
    return Admission(Grounds(runner, "none", CATALOG, terms or Terms()))


def job(**fields: Any) -> Job:
    spec = {"runtime_version": "2.11", "python_version": "3.7", **fields}
    return Job(job_id="j", training_input=TrainingInput(**spec))


@pytest.mark.parametrize("tier", ["BASIC", "STANDARD_1", "PREMIUM_1", "BASIC_GPU", "BASIC_TPU"])
def test_takes_every_tier(tier: str) -> None:
    admission().check_job(job(scale_tier=tier), CATALOG)


def test_images_need_a_runner_for_them() -> None:
    own = job(
        runtime_version="",
        python_version="",
        master_config=ReplicaConfig(image_uri="gcr.io/a/b"),
    )
    admission(images=True).check_job(own, CATALOG)
    with pytest.raises(FailedPrecondition, match=r"gcr\.io/a/b") as caught:
        admission().check_job(own, CATALOG)
    assert "cmle serve --runner docker" in caught.value.message
    assert caught.value.message.startswith("Field: master_config.image_uri Error: ")


def test_everything_that_cannot_be_had_is_told_at_once() -> None:
    terms = Terms(limits="exact", gpu="require")
    own = job(
        scale_tier="BASIC_GPU", worker_config=None, master_config=ReplicaConfig(image_uri="a")
    )
    with pytest.raises(FailedPrecondition) as caught:
        admission(terms).check_job(own, CATALOG)
    (details,) = caught.value.details
    assert len(details["fieldViolations"]) == 3
    for word in ("--runner docker", "--gpu require", "--limits exact"):
        assert word in caught.value.message
    admission(terms, cpus=8, memory_bytes=64 << 30, gpus=1, images=True).check_job(own, CATALOG)


def test_a_reduced_job_is_measured_as_it_will_run() -> None:
    exact = {"cpus": 24, "memory_bytes": 64 << 30}
    standard = job(scale_tier="STANDARD_1")
    with pytest.raises(FailedPrecondition):
        admission(Terms(limits="exact"), **exact).check_job(standard, CATALOG)
    admission(Terms(limits="exact", replica_scale=0.1), **exact).check_job(standard, CATALOG)


def test_what_nobody_does_yet_is_refused_as_ever() -> None:
    with pytest.raises(FailedPrecondition, match="tuning"):
        admission().check_job(job(hyperparameters=HyperparameterSpec()), CATALOG)
    version = Version(runtime_version="2.11", python_version="3.7", framework="XGBOOST")
    with pytest.raises(FailedPrecondition, match="TensorFlow"):
        admission().check_version(version, CATALOG)
