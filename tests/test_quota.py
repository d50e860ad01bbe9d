from emulator import quota
from emulator.resources import AcceleratorConfig, Job, ReplicaConfig, TrainingInput


def test_a_job_is_told_what_it_asked_for() -> None:
    gpus = ReplicaConfig(accelerator_config=AcceleratorConfig(count=2, type="NVIDIA_TESLA_K80"))
    error = quota.of_jobs("p", Job(job_id="j", training_input=TrainingInput(master_config=gpus)))

    assert error.http == 429
    assert error.message.startswith(
        "Quota failure for project p. The request for 2 K80 accelerators exceeds the allowed "
        "maximum of 0 A100, 0 K80,"
    )
    assert error.details[0]["violations"][0]["subject"] == "p"


def test_predictions_are_refused_by_the_projects_number() -> None:
    assert "'project_number:123'" in quota.of_predictions(123).message
