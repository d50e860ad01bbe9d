import json

import pytest

from emulator.tf_config import LOCAL_ADDRESS, Task, primary, user_args, variables


def test_arguments_come_in_the_service_s_order() -> None:
    argv = user_args(("--steps", "5"), "gs://b/out", {"lr": "0.1"})

    assert argv == ["--steps", "5", "--lr", "0.1", "--job-dir", "gs://b/out"]
    assert user_args((), "") == []


@pytest.mark.parametrize(("version", "name"), [("1.15", "master"), ("2.1", "chief")])
def test_the_primary_is_named_by_the_runtime(version: str, name: str) -> None:
    env = variables(
        "j1",
        {"runtime_version": version, "python_module": "trainer.task"},
        ["--job-dir", "gs://b/o"],
        Task(),
        cluster={"master": [LOCAL_ADDRESS]},
        project_number="42",
    )
    tf_config, spec = json.loads(env["TF_CONFIG"]), json.loads(env["CLUSTER_SPEC"])

    assert primary(version) == name
    assert tf_config["cluster"] == {name: ["127.0.0.1:2222"]}
    assert tf_config["task"] == {"type": name, "index": 0, "cloud": "w42-ml"}
    assert tf_config["environment"] == "cloud"
    assert "args" not in tf_config["job"]
    assert spec["cluster"] == {"master": ["127.0.0.1:2222"]}
    assert spec["task"] == {"type": "master", "index": 0}
    assert env["CLOUD_ML_JOB_ID"] == "j1"
    assert env["CLOUD_ML_TRIAL_ID"] == ""


def test_a_job_with_arguments_shows_all_of_them() -> None:
    argv = ["--steps", "5", "--job-dir", "gs://b/o"]
    env = variables(
        "j1",
        {"runtime_version": "1.15", "args": ["--steps", "5"]},
        argv,
        Task(),
        cluster={"master": [LOCAL_ADDRESS]},
        project_number="42",
    )

    assert json.loads(env["TF_CONFIG"])["job"]["args"] == argv


@pytest.mark.parametrize(("asks", "name"), [(False, "master"), (True, "chief")])
def test_in_one_s_own_image_the_primary_is_what_the_job_says(asks: bool, name: str) -> None:  # noqa: FBT001
    cluster = {"master": ["cmle-training-master-0123456789-0:2222"], "worker": ["w:2222"]}
    job = {"use_chief_in_tf_config": asks} if asks else {}
    env = variables("j1", job, [], Task("worker", 0), cluster=cluster, project_number="42")
    tf_config, spec = json.loads(env["TF_CONFIG"]), json.loads(env["CLUSTER_SPEC"])

    assert tf_config["cluster"] == {name: cluster["master"], "worker": ["w:2222"]}
    assert tf_config["task"]["type"] == "worker"
    assert spec["cluster"] == cluster


def test_a_trial_is_told_in_both() -> None:
    task = Task("ps", 1, trial="3")
    cluster = {"master": ["a:2222"], "ps": ["b:2222", "c:2222"]}
    job = {"runtime_version": "2.11"}
    env = variables("j1", job, [], task, cluster=cluster, project_number="42")
    for name in ("TF_CONFIG", "CLUSTER_SPEC"):
        found = json.loads(env[name])["task"]
        assert (found["type"], found["index"], found["trial"]) == ("ps", 1, "3")
    assert env["CLOUD_ML_TRIAL_ID"] == "3"


def test_labels_name_the_replica() -> None:
    assert Task("worker", 3).label == "worker-replica-3"
