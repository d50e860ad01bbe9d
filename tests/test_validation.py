from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from emulator import catalog, texts, validation
from emulator.errors import ApiError, FailedPrecondition, InvalidArgument
from emulator.resources import (
    AcceleratorConfig,
    AutoScaling,
    ContainerSpec,
    Job,
    ManualScaling,
    Model,
    PredictionInput,
    ReplicaConfig,
    Scheduling,
    TrainingInput,
    Version,
)

CATALOG = catalog.load()
TRAINING = TrainingInput(
    region="us-central1",
    runtime_version="1.15",
    python_version="3.7",
    package_uris=("gs://bucket/trainer.tar.gz",),
    python_module="trainer.task",
    job_dir="gs://bucket/out",
)
CUSTOM = replace(TRAINING, scale_tier="CUSTOM", master_type="n1-standard-4")
BATCH = PredictionInput(
    model_name="projects/p/models/m",
    data_format="JSON",
    input_paths=("gs://bucket/in*",),
    output_path="gs://bucket/out",
    region="us-central1",
)
VERSION = Version(
    name="v", deployment_uri="gs://bucket/m", runtime_version="2.11", python_version="3.7"
)
K80 = ReplicaConfig(accelerator_config=AcceleratorConfig(count=1, type="NVIDIA_TESLA_K80"))


def training(**changes: Any) -> list[str]:
    """What the service says to a job with these changes."""
    spec = replace(CUSTOM if "master_type" in changes else TRAINING, **changes)
    job = Job(job_id="j", training_input=spec)
    return [str(violation) for violation in validation.job_violations(job, CATALOG)]


def message_of(check: Callable[..., None], *arguments: object) -> str:
    with pytest.raises(ApiError) as caught:
        check(*arguments)
    return caught.value.message


def test_takes_good_jobs() -> None:
    for spec in (TRAINING, CUSTOM, replace(CUSTOM, master_config=K80)):
        validation.check_job(Job(job_id="Job_1", training_input=spec), CATALOG)
    validation.check_job(Job(job_id="j", prediction_input=BATCH), CATALOG)


# The texts of service.md §11.3 that were seen literally.


def test_refuses_a_bad_name_verbatim() -> None:
    text = "A name should start with a letter and contain only letters, numbers and underscores"
    bad = replace(VERSION, name="1-v")
    assert (
        message_of(validation.check_version, bad, CATALOG) == f"Field: version.name Error: {text}"
    )
    assert (
        message_of(validation.check_model, Model(name="a-b")) == f"Field: model.name Error: {text}"
    )
    job = Job(job_id="a-b", training_input=TRAINING)
    assert message_of(validation.check_job, job, CATALOG) == f"Field: job.job_id Error: {text}"


def test_refuses_a_region_verbatim() -> None:
    regions = ["asia-east1", "europe-west1", "europe-west4", "us-central1", "us-east1", "us-west1"]
    assert validation.region_unavailable("australia-southeast1", regions) == (
        "The provided GCE region 'australia-southeast1' is not available. Options are "
        "[asia-east1, europe-west1, europe-west4, us-central1, us-east1, us-west1]."
    )
    (found,) = training(region="mars-east1")
    assert found.startswith(
        "Field: region Error: The provided GCE region 'mars-east1' is not available. "
        "Options are [asia-east1, "
    )


@pytest.mark.parametrize(("version", "python"), [("1.9", ""), ("1.1", "3.5"), ("", ""), ("3", "3")])
def test_refuses_a_runtime_version_verbatim(version: str, python: str) -> None:
    (found,) = training(runtime_version=version, python_version=python)
    assert found == (
        f"Field: runtime_version Error: The specified runtime version '{version}' with the "
        f"Python version '{python}' is not supported or is deprecated.  Please specify a "
        "different runtime version. See "
        "https://cloud.google.com/ml-engine/docs/runtime-version-list for a list of supported "
        "versions"
    )


def test_refuses_a_tpu_as_master_verbatim() -> None:
    (found,) = training(master_type="cloud_tpu")
    assert found == (
        "Field: master_type Error: The specified machine type for masteris not supported in "
        "TPU training jobs: cloud_tpu"
    )


def test_refuses_class_and_framework_verbatim() -> None:
    version = replace(VERSION, prediction_class="a.B", framework="TENSORFLOW")
    with pytest.raises(FailedPrecondition) as caught:
        validation.check_version(version, CATALOG)
    assert caught.value.message == (
        'Field: prediction_class Error: Exactly one of "prediction_class" and "framework" may '
        'be provided. In order to use a custom prediction class, "framework" should be left '
        "unspecified."
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"worker_count": 2}, "worker_type"),
        ({"evaluator_type": "n1-standard-4"}, "evaluator_type"),
        ({"master_type": ""}, "master_type"),
        ({"master_type": "n1-standard-2"}, "master_type"),
        ({"master_type": "n1-standard-4", "worker_count": 2}, "worker_type"),
        ({"master_type": "n1-standard-4", "evaluator_count": -1}, "evaluator_count"),
        ({"master_type": "n1-standard-4", "worker_type": "standard"}, "master_type"),
        ({"master_type": "standard_gpu", "master_config": K80}, "master_config.accelerator_config"),
        (
            {"master_type": "n1-standard-16", "master_config": K80},
            "master_config.accelerator_config",
        ),
        (
            {"master_type": "n1-standard-4", "master_config": K80, "region": "europe-west6"},
            "master_config.accelerator_config",
        ),
        ({"master_config": K80}, "master_config.accelerator_config"),
        (
            {"master_type": "n1-standard-4", "worker_type": "cloud_tpu", "worker_count": 2},
            "worker_count",
        ),
        (
            {
                "master_type": "n1-standard-4",
                "parameter_server_type": "cloud_tpu",
                "parameter_server_count": 1,
            },
            "parameter_server_type",
        ),
        (
            {"master_type": "n1-standard-4", "evaluator_type": "cloud_tpu", "evaluator_count": 1},
            "evaluator_type",
        ),
        (
            {"master_config": ReplicaConfig(container_command=("sh",))},
            "master_config.container_command",
        ),
        (
            {
                "worker_config": ReplicaConfig(image_uri="gcr.io/a/b", container_args=("x",)),
                "args": ("--steps", "1"),
            },
            "worker_config.container_args",
        ),
        (
            {"worker_config": ReplicaConfig(tpu_tf_version="2.11")},
            "worker_config.tpu_tf_version",
        ),
        ({"package_uris": ()}, "package_uris"),
        ({"package_uris": ("gs://b/x",) * 101}, "package_uris"),
        ({"package_uris": ("trainer.tar.gz",)}, "package_uris"),
        ({"python_module": ""}, "python_module"),
        ({"python_module": "trainer/task.py"}, "python_module"),
        ({"job_dir": "/tmp/out"}, "job_dir"),  # noqa: S108 a value, no file
        ({"job_dir": "gs://"}, "job_dir"),
        ({"scheduling": Scheduling(priority=1001)}, "scheduling.priority"),
        ({"scheduling": Scheduling(max_wait_time="1799.9s")}, "scheduling.max_wait_time"),
        ({"scheduling": Scheduling(max_wait_time="-3600s")}, "scheduling.max_wait_time"),
        ({"scheduling": Scheduling(max_running_time="0s")}, "scheduling.max_running_time"),
        ({"scheduling": Scheduling(max_running_time="-1s")}, "scheduling.max_running_time"),
        ({"master_config": ReplicaConfig(image_uri="gcr.io/a/b")}, "runtime_version"),
    ],
    ids=str,
)
def test_refuses_a_training_input(changes: dict[str, Any], field: str) -> None:
    spec = {"scale_tier": "CUSTOM"} if "master_type" in changes else {}
    (found,) = training(**spec, **changes)
    assert found.startswith(f"Field: {field} Error: ")


def test_takes_the_shortest_times() -> None:
    assert not training(scheduling=Scheduling(max_wait_time="1800s", max_running_time="0.1s"))


def test_a_tier_of_one_family_may_have_a_tpu_worker() -> None:
    tpu = ReplicaConfig(accelerator_config=AcceleratorConfig(count=8, type="TPU_V2"))
    assert not training(
        master_type="n1-standard-4", worker_type="cloud_tpu", worker_count=1, worker_config=tpu
    )


def test_a_tpu_with_a_container_names_its_software() -> None:
    tpu = {"worker_type": "cloud_tpu", "worker_count": 1, "master_type": "n1-standard-4"}
    own = {
        "master_config": ReplicaConfig(image_uri="gcr.io/a/b"),
        "runtime_version": "",
        "python_version": "",
    }
    (found,) = training(**tpu, **own)
    assert found == f"Field: worker_config.tpu_tf_version Error: {texts.TPU_TF_VERSION}"
    assert not training(**tpu, **own, worker_config=ReplicaConfig(tpu_tf_version="2.11"))


def test_everything_wrong_with_a_cluster_is_told_at_once() -> None:
    found = training(
        master_type="cloud_tpu",
        worker_count=2,
        parameter_server_type="n1-standard-2",
        evaluator_count=-1,
        worker_config=ReplicaConfig(container_args=("x",)),
    )
    assert [text.split()[1] for text in found] == [
        "worker_type",
        "parameter_server_type",
        "evaluator_count",
        "master_type",
        "worker_config.container_args",
    ]


def test_a_container_needs_no_packages() -> None:
    image = ReplicaConfig(image_uri="gcr.io/a/b")
    assert not training(
        master_config=image,
        runtime_version="",
        python_version="",
        package_uris=(),
        python_module="",
    )


@pytest.mark.parametrize(
    "job",
    [
        Job(job_id="j"),
        Job(job_id="j", training_input=TRAINING, prediction_input=BATCH),
    ],
    ids=["neither", "both"],
)
def test_a_job_has_one_input(job: Job) -> None:
    assert texts.ONE_INPUT in message_of(validation.check_job, job, CATALOG)


@pytest.mark.parametrize(
    "changes",
    [
        {"version_name": "projects/p/models/m/versions/v"},
        {"model_name": ""},
        {"data_format": "DATA_FORMAT_UNSPECIFIED"},
        {"input_paths": ()},
        {"input_paths": ("/in",)},
        {"output_path": ""},
        {"region": "mars"},
    ],
    ids=str,
)
def test_refuses_a_prediction_input(changes: dict[str, Any]) -> None:
    assert len(list(validation.prediction_violations(replace(BATCH, **changes), CATALOG))) == 1


@pytest.mark.parametrize(
    "labels",
    [{"A": "b"}, {"1": "b"}, {"": "b"}, {"a": "B"}, {"a" * 64: "b"}, {"a": "b" * 64}],
    ids=["upper", "digit", "empty", "value", "long key", "long value"],
)
def test_refuses_labels(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match=r"job\.labels"):
        validation.check_labels(labels, "job.labels")


def test_counts_labels() -> None:
    labels = {f"a{number}": "" for number in range(65)}
    assert texts.LABELS_TOO_MANY in message_of(validation.check_labels, labels, "model.labels")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"deployment_uri": ""}, "version.deployment_uri"),
        ({"deployment_uri": "/m"}, "version.deployment_uri"),
        ({"runtime_version": "2.0"}, "runtime_version"),
        ({"machine_type": "n1-mega-1"}, "version.machine_type"),
        (
            {"auto_scaling": AutoScaling(min_nodes=1), "manual_scaling": ManualScaling(nodes=1)},
            "version.manual_scaling",
        ),
        (
            {"machine_type": "n1-standard-2", "auto_scaling": AutoScaling()},
            "version.auto_scaling.min_nodes",
        ),
        ({"accelerator_config": AcceleratorConfig(count=1)}, "version.accelerator_config"),
    ],
    ids=str,
)
def test_refuses_a_version(changes: dict[str, Any], field: str) -> None:
    found = message_of(validation.check_version, replace(VERSION, **changes), CATALOG)
    assert found.startswith(f"Field: {field} Error: ")


def test_takes_good_versions() -> None:
    validation.check_version(VERSION, CATALOG)
    container = ContainerSpec(image="us-docker.pkg.dev/a/b")
    validation.check_version(Version(name="v", container=container), CATALOG)


def test_a_model_has_one_region() -> None:
    assert texts.ONE_REGION in message_of(
        validation.check_model, Model(name="m", regions=("us-central1", "us-east1"))
    )


def test_reads_update_masks() -> None:
    mask = validation.update_mask("description,defaultVersion.name", validation.MODEL_MASK)
    assert mask == ("description", "default_version.name")
    with pytest.raises(InvalidArgument, match="'name' cannot be updated"):
        validation.update_mask("description, name", validation.MODEL_MASK)
    with pytest.raises(InvalidArgument, match="at least one field"):
        validation.update_mask(" , ", validation.MODEL_MASK)
