from typing import Any

import pytest
from msgspec.structs import replace

from emulator import catalog, unsupported
from emulator.errors import FailedPrecondition
from emulator.resources import (
    AcceleratorConfig,
    ContainerSpec,
    ExplanationConfig,
    HyperparameterSpec,
    Job,
    PredictionInput,
    ReplicaConfig,
    TrainingInput,
    Version,
)

CATALOG = catalog.load()
TRAINING = TrainingInput(runtime_version="2.11", python_version="3.7")
VERSION = Version(name="v", runtime_version="2.11", python_version="3.7", framework="TENSORFLOW")
GPU = ReplicaConfig(accelerator_config=AcceleratorConfig(count=1, type="NVIDIA_TESLA_T4"))


def test_takes_what_it_runs() -> None:
    custom = replace(TRAINING, scale_tier="CUSTOM", master_type="large_model")
    premium = replace(TRAINING, scale_tier="PREMIUM_1")
    for spec in (TRAINING, custom, premium, replace(custom, master_config=GPU)):
        unsupported.check_job(Job(job_id="j", training_input=spec), CATALOG)
    unsupported.check_version(VERSION, CATALOG)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"hyperparameters": HyperparameterSpec()}, "tuning"),
        ({"runtime_version": "1.8", "python_version": "3.5"}, "1.8"),
    ],
    ids=str,
)
def test_refuses_jobs_in_its_own_name(changes: dict[str, Any], word: str) -> None:
    job = Job(job_id="j", training_input=replace(TRAINING, **changes))
    with pytest.raises(FailedPrecondition, match=word) as caught:
        unsupported.check_job(job, CATALOG)
    assert "emulator" in caught.value.message
    assert len(caught.value.details[0]["fieldViolations"]) == 1


def test_refuses_batch_prediction() -> None:
    with pytest.raises(FailedPrecondition, match="batch prediction"):
        unsupported.check_job(Job(job_id="j", prediction_input=PredictionInput()), CATALOG)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"framework": "XGBOOST"}, "TensorFlow"),
        ({"prediction_class": "a.B"}, "custom prediction"),
        ({"container": ContainerSpec(), "runtime_version": ""}, "containers"),
        ({"accelerator_config": AcceleratorConfig(count=1)}, "GPUs"),
        ({"explanation_config": ExplanationConfig()}, "explanations"),
        ({"runtime_version": "1.15", "python_version": "2.7"}, "1.15"),
    ],
    ids=str,
)
def test_refuses_versions_in_its_own_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(FailedPrecondition, match=word) as caught:
        unsupported.check_version(replace(VERSION, **changes), CATALOG)
    assert "emulator" in caught.value.message
