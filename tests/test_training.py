import json

from emulator.cluster import Bind
from emulator.identity import Identity, Kind
from emulator.plan import Member
from emulator.resources import Job, Scheduling, TrainingInput
from emulator.tf_config import LOCAL_ADDRESS, Task
from emulator.training import Place, Prepared, Share, as_snake_case, command_line, training_replica

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
