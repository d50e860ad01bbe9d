import json
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.accelerators import Equipment
from emulator.cluster import Bind, Replica
from emulator.identity import Identity, Kind
from emulator.limits import Limit
from emulator.plan import Member, Plan
from emulator.resources import Job, ReplicaConfig, Scheduling, TrainingInput
from emulator.tf_config import LOCAL_ADDRESS, Task
from emulator.training import (
    Place,
    Prepared,
    Share,
    as_snake_case,
    command_line,
    preload,
    training_replica,
)

SPEC = TrainingInput(
    package_uris=("gs://b/trainer-0.0.0.tar.gz",),
    python_module="trainer.task",
    args=("--name", "two words"),
    region="us-central1",
    job_dir="gs://b/out",
    runtime_version="1.15",
    python_version="3.7",
    scheduling=Scheduling(max_running_time="60s"),
)
JOB = Job(job_id="j", training_input=SPEC)
PREPARED = Prepared(
    python="/env/bin/python",
    binds=(Bind("/env", "/env"),),
    site_packages=("/staged/lib/python3.7/site-packages",),
    python_path=("/shims",),
    programs=("/staged/bin", "/env/bin"),
)
PLACE = Place("namespaces", "p", 42, {"master": [LOCAL_ADDRESS]})
MASTER = Member(Task(), "cmle-training-master-0123456789-0")


def test_the_replica_runs_the_module_as_the_service_does() -> None:
    replica = training_replica(JOB, PREPARED, MASTER, "master-replica-0", PLACE, Share())

    assert replica.argv == (
        "/env/bin/python",
        "-m",
        "trainer.task",
        "--name",
        "two words",
        "--job-dir",
        "gs://b/out",
    )
    assert replica.env["PATH"].startswith("/staged/bin:/env/bin:/usr/local/sbin")
    assert replica.env["CMLE_SITE_PACKAGES"] == "/staged/lib/python3.7/site-packages"
    assert replica.env["CLOUD_ML_JOB_ID"] == "j"
    assert json.loads(replica.env["TF_CONFIG"])["job"]["python_module"] == "trainer.task"
    assert replica.work_dir == ""  # the runner makes one
    assert replica.network is not None
    assert replica.network.identity == Identity(
        Kind.JOB, "p", "j", "42-compute@developer.gserviceaccount.com"
    )


def test_the_input_is_told_in_snake_case_without_defaults() -> None:
    assert as_snake_case(SPEC) == {
        "package_uris": ["gs://b/trainer-0.0.0.tar.gz"],
        "python_module": "trainer.task",
        "args": ["--name", "two words"],
        "region": "us-central1",
        "job_dir": "gs://b/out",
        "runtime_version": "1.15",
        "python_version": "3.7",
        "scheduling": {"max_running_time": "60s"},
    }


def test_the_log_shows_a_command_that_a_shell_would_take() -> None:
    assert command_line(SPEC) == ("python3 -m trainer.task --name 'two words' --job-dir gs://b/out")


def in_image(member: Member, **fields: Any) -> Replica:
    spec = TrainingInput(
        scale_tier="CUSTOM",
        worker_count=4,
        region="us-central1",
        job_dir="gs://b/out",
        master_config=ReplicaConfig(image_uri=member.image),
        **fields,
    )
    place = Place("container", "p", 42, {"master": ["m:2222"]}, hosts=(member.host,))
    return training_replica(
        Job(job_id="j", training_input=spec), Prepared(), member, "a-name", place, Share()
    )


def test_an_image_of_one_s_own_gets_the_job_and_nothing_else() -> None:
    member = Member(Task("worker", 1), "cmle-training-worker-0123456789-1", image="gcr.io/a/b")
    replica = in_image(member, args=("--steps", "5"))

    assert (replica.image, replica.argv) == ("gcr.io/a/b", ())
    assert replica.args == ("--steps", "5", "--job-dir", "gs://b/out")
    assert replica.hostname == member.host
    assert (replica.binds, replica.preload) == ((), ())
    assert set(replica.env) == {
        "TF_CONFIG",
        "CLUSTER_SPEC",
        "CLOUD_ML_JOB_ID",
        "CLOUD_ML_TRIAL_ID",
        "CLOUD_ML_HP_METRIC_TAG",
        "CLOUD_ML_HP_METRIC_FILE",
        "CLOUD_ML_LOG_LEVEL",
    }
    described = json.loads(replica.env["CLUSTER_SPEC"])["job"]
    assert described["worker_count"] == "4"
    assert described["master_config"] == {"image_uri": "gcr.io/a/b"}


def test_command_and_arguments_are_expanded_as_kubernetes_does() -> None:
    member = Member(
        Task(),
        "host",
        image="gcr.io/a/b",
        command=("run", "$(CLOUD_ML_JOB_ID)"),
        args=("$$(CLOUD_ML_JOB_ID)", "$(HOME)", "$x"),
    )
    replica = in_image(member)
    assert replica.argv == (
        *("run", "j", "$(CLOUD_ML_JOB_ID)", "$(HOME)", "$x"),
        *("--job-dir", "gs://b/out"),
    )
    assert replica.args == ()


def test_a_replica_gets_its_share_of_the_machine() -> None:
    share = Share(
        cpus=2,
        limit=Limit(2.0, 1 << 30),
        equipment=Equipment(variables={"CMLE_GPU_STUB": "X:1"}, python_path=("/accelerators",)),
        threads={"OMP_NUM_THREADS": "1"},
        preload=("tensorflow",),
    )
    prepared = replace(PREPARED, variables={"TF_NUM_INTEROP_THREADS": "7"})
    replica = training_replica(JOB, prepared, MASTER, "master-replica-0", PLACE, share)
    assert (replica.cpus, replica.memory_bytes) == (2.0, 1 << 30)
    assert replica.env["PYTHONPATH"] == "/shims:/accelerators"
    assert replica.env["CMLE_GPU_STUB"] == "X:1"
    assert replica.env["OMP_NUM_THREADS"] == "1"
    assert replica.env["TF_NUM_INTEROP_THREADS"] == "7"  # the runtime's own
    assert replica.preload == ("tensorflow",)
    alone = training_replica(JOB, PREPARED, MASTER, "m", PLACE, Share(cpus=2))
    assert alone.env["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize(
    ("replicas", "installed", "preloaded"),
    [
        (3, (), True),
        (3, ("pandas", "trainer"), True),
        (2, (), False),
        (3, ("protobuf",), False),
        (3, ("numpy", "trainer"), False),
        (3, ("tensorflow-cpu",), False),
        (3, ("keras",), False),
    ],
)
def test_large_jobs_with_the_runtime_s_tensorflow_find_it_imported(
    replicas: int, installed: tuple[str, ...], *, preloaded: bool
) -> None:
    members = tuple(Member(Task("worker", index), "h") for index in range(replicas))
    prepared = Prepared(distributions=installed, imports=("tensorflow",))
    found = preload(Plan(members), prepared)
    assert found == (("tensorflow",) if preloaded else ())


def test_what_no_source_imports_is_not_waited_for() -> None:
    members = tuple(Member(Task("worker", index), "h") for index in range(5))
    assert preload(Plan(members), Prepared(distributions=("trainer",))) == ()


def test_images_of_one_s_own_are_not_preloaded() -> None:
    members = tuple(Member(Task("worker", index), "h", image="x") for index in range(5))
    assert preload(Plan(members), Prepared(imports=("tensorflow",))) == ()
