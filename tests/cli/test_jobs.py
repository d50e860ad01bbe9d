"""``cmle jobs``: bodies, tables, logs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.cli.jobs import job_body

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle
    from tests.conftest import Keeper

NOTHING = dict.fromkeys(
    [
        "config",
        "job_dir",
        "module_name",
        "python_version",
        "region",
        "runtime_version",
        "scale_tier",
        "service_account",
        "master_machine_type",
        "master_image_uri",
        "worker_machine_type",
        "worker_count",
        "parameter_server_machine_type",
        "parameter_server_count",
        "evaluator_machine_type",
        "evaluator_count",
    ]
) | {"labels": ""}


def entry(number: int, text: str) -> dict[str, object]:
    return {
        "insertId": str(number),
        "timestamp": "2020-01-01T00:00:00.5Z",
        "severity": "INFO",
        "resource": {"labels": {"task_name": "master-replica-0"}},
        "jsonPayload": {"message": text},
    }


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(
        "labels: {a: '1', b: '2'}\n"
        "trainingInput: {region: europe-west1, runtimeVersion: '1.15', workerCount: 2}\n"
    )
    flags = NOTHING | {"config": config, "runtime_version": "2.11", "labels": "b=3"}
    assert job_body("j", ("--x=1",), flags) == {
        "jobId": "j",
        "labels": {"a": "1", "b": "3"},
        "trainingInput": {
            "region": "europe-west1",
            "runtimeVersion": "2.11",
            "workerCount": 2,
            "args": ["--x=1"],
        },
    }


def test_only_given_flags_are_sent() -> None:
    assert job_body("j", (), NOTHING) == {
        "jobId": "j",
        "trainingInput": {"region": "us-central1"},
    }


def test_machines_become_fields() -> None:
    flags = NOTHING | {
        "scale_tier": "CUSTOM",
        "master_machine_type": "n1-standard-4",
        "parameter_server_machine_type": "n1-standard-8",
        "parameter_server_count": "2",
        "master_image_uri": "gcr.io/p/image",
    }
    assert job_body("j", (), flags)["trainingInput"] == {
        "region": "us-central1",
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-4",
        "parameterServerType": "n1-standard-8",
        "parameterServerCount": "2",
        "masterConfig": {"imageUri": "gcr.io/p/image"},
    }


@pytest.mark.usefixtures("data_dir")
def test_list_is_a_table(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.jobs = {
        "first": {"jobId": "first", "state": "SUCCEEDED", "createTime": "2020-01-01T00:00:00Z"},
        "b": {"jobId": "b", "state": "FAILED", "createTime": "2020-01-02T00:00:00Z"},
    }
    assert cmle("jobs", "list").out == (
        "JOB_ID  STATUS     CREATED\n"
        "first   SUCCEEDED  2020-01-01T00:00:00Z\n"
        "b       FAILED     2020-01-02T00:00:00Z\n"
    )


@pytest.mark.usefixtures("data_dir")
def test_empty_list_says_so(cmle: "Cmle") -> None:
    result = cmle("jobs", "list")
    assert (result.code, result.out, result.err) == (0, "", "Listed 0 items.\n")


@pytest.mark.usefixtures("data_dir")
def test_describe_prints_yaml_or_json(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.jobs = {"j": {"jobId": "j", "looks": 9}}
    assert cmle("jobs", "describe", "j").out == "jobId: j\nlooks: 10\nstate: SUCCEEDED\n"
    assert json.loads(cmle("jobs", "describe", "j", "--format", "json").out)["jobId"] == "j"


@pytest.mark.usefixtures("data_dir")
def test_cancel_is_silent(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.jobs = {"j": {"jobId": "j", "looks": 0}}
    assert cmle("jobs", "cancel", "j") == (0, "", "")
    assert keeper.jobs["j"]["state"] == "CANCELLED"


@pytest.mark.usefixtures("data_dir")
def test_log_lines_have_columns(
    cmle: "Cmle", keeper: "Keeper", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    keeper.jobs = {"j": {"jobId": "j", "looks": 9}}
    keeper.entries = [entry(1, "one"), entry(2, "two\nthree")]
    lines = cmle("jobs", "stream-logs", "j").out.splitlines()
    assert [line.split("\t")[0::2] for line in lines] == [
        ["INFO", "master-replica-0", "one"],
        ["INFO", "master-replica-0", "two"],
        ["INFO", "master-replica-0", "three"],
    ]


@pytest.mark.usefixtures("data_dir")
def test_log_as_json_lines(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.jobs = {"j": {"jobId": "j", "looks": 9}}
    keeper.entries = [entry(1, "two\nthree")]
    (line,) = cmle("jobs", "stream-logs", "j", "--format=json").out.splitlines()
    assert json.loads(line)["text"] == "two\nthree"


@pytest.mark.parametrize("tier", ["STANDARD_1", "standard-1", "Standard-1"])
@pytest.mark.usefixtures("data_dir")
def test_tiers_are_known_in_both_spellings(cmle: "Cmle", keeper: "Keeper", tier: str) -> None:
    cmle(*["jobs", "submit", "training", "j", "--packages=gs://b/p.tar.gz", "--scale-tier"], tier)
    (_, _, body) = keeper.requests[0]
    assert body["trainingInput"]["scaleTier"] == "STANDARD_1"


@pytest.mark.usefixtures("data_dir")
def test_unknown_tier_is_a_wrong_line(cmle: "Cmle") -> None:
    result = cmle(*["jobs", "submit", "training", "j", "--scale-tier", "huge"])
    assert result.code == 2
    assert "basic, standard-1" in result.err


@pytest.mark.usefixtures("data_dir")
def test_followed_job_decides_the_exit_code(cmle: "Cmle", keeper: "Keeper") -> None:
    line = "jobs submit training {} --packages=gs://b/p.tar.gz --module-name=m --stream-logs"
    assert cmle(*line.format("good").split()).code == 0
    keeper.states = ["FAILED"]
    result = cmle(*line.format("bad").split(), "--", "--flag", "value")
    assert result.code == 1
    assert result.out == "jobId: bad\nstate: FAILED\n"
    assert keeper.jobs["bad"]["trainingInput"]["args"] == ["--flag", "value"]


@pytest.mark.usefixtures("data_dir")
def test_submission_says_what_to_do_next(cmle: "Cmle") -> None:
    result = cmle(*["jobs", "submit", "training", "j", "--packages=gs://b/p.tar.gz"])
    assert result.err.startswith("Job [j] submitted successfully.\n")
    assert "cmle jobs stream-logs j" in result.err


@pytest.mark.usefixtures("data_dir")
def test_duplicate_is_refused_with_its_fields(cmle: "Cmle") -> None:
    line = ["jobs", "submit", "training", "j", "--packages=gs://b/p.tar.gz"]
    cmle(*line)
    result = cmle(*line)
    assert result.code == 1
    assert "ERROR: ALREADY_EXISTS: Field: job.job_id" in result.err
    assert "field: job.job_id" in result.err
