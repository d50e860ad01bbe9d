from collections.abc import Callable
from typing import Any

import httpx
import pytest

from emulator.resources import TrainingOutput
from emulator.testing import (
    fails,
    fake_service,
    intercept,
    quota,
    refuses,
    states,
    succeeds,
    unavailable,
)

Call = Callable[..., dict[str, Any]]
Submit = Callable[..., dict[str, Any]]
PROJECT = "projects/p1"
START = 1_700_000_000.0  # 2023-11-14T22:13:20Z
LOGS = "https://logging.googleapis.com/v2/entries:list"


def messages(job_id: str) -> list[str]:
    asked = {
        "resourceNames": [PROJECT],
        "filter": f'resource.labels.job_id="{job_id}"',
        "orderBy": "timestamp asc",
    }
    entries = httpx.post(LOGS, json=asked).json().get("entries", [])
    return [
        entry.get("textPayload") or entry.get("jsonPayload", {}).get("message", "")
        for entry in entries
    ]


def test_goes_through_its_states_at_their_moments(call: Call, submit: Submit) -> None:
    script = fake_service(job_outcomes={"j": succeeds(queued_s=30)}, poll_s=0, start=START)
    with intercept(script) as cloud:
        assert submit("j")["state"] == "QUEUED"
        seen = []
        for _ in range(8):
            cloud.clock.advance(100)
            seen.append(call("GET", f"{PROJECT}/jobs/j")["state"])
        job = call("GET", f"{PROJECT}/jobs/j")
    assert seen == ["RUNNING"] * 6 + ["SUCCEEDED"] * 2
    assert job["createTime"] == "2023-11-14T22:13:20Z"
    assert job["startTime"] == "2023-11-14T22:14:50Z"
    assert job["endTime"] == "2023-11-14T22:24:50Z"
    assert job["trainingOutput"]["consumedMLUnits"] == 0.06


def test_each_look_takes_time(call: Call, submit: Submit) -> None:
    with intercept(fake_service(poll_s=60)) as cloud:
        submit("j")
        looks = 0
        while call("GET", f"{PROJECT}/jobs/j")["state"] != "SUCCEEDED":
            looks += 1
        assert looks == 10
        assert cloud.clock.elapsed == 660


def test_fails_with_the_text_of_the_service(call: Call, submit: Submit) -> None:
    script = fake_service(
        job_outcomes={
            "traced": fails(traceback="Traceback (most recent call last):\nValueError: no"),
            "full": fails(out_of_memory=True),
            "told": fails("Quota exhausted."),
            "*": "FAILED",
        }
    )
    with intercept(script) as cloud:
        for job_id in ("traced", "full", "told", "other"):
            submit(job_id)
        cloud.clock.advance(1000)
        found = {
            job_id: call("GET", f"{PROJECT}/jobs/{job_id}")
            for job_id in ("traced", "full", "told", "other")
        }
        logged = messages("traced")
    assert {job["state"] for job in found.values()} == {"FAILED"}
    told = found["traced"]["errorMessage"]
    assert told.startswith("The replica master 0 exited with a non-zero status of 1. \nTraceback")
    assert "ValueError: no\n\nTo find out more about why your job exited" in told
    assert "ran out-of-memory and exited with a non-zero status of 9(SIGKILL)" in str(found["full"])
    assert found["told"]["errorMessage"] == "Quota exhausted."
    assert found["other"]["errorMessage"].startswith("The replica master 0 exited")
    assert logged[-1] == "Job failed."


def test_refuses_a_submission_for_its_quota(submit: Submit) -> None:
    gpu = {
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-8",
        "masterConfig": {"acceleratorConfig": {"count": "2", "type": "NVIDIA_TESLA_K80"}},
    }
    with intercept(fake_service(job_outcomes={"big*": refuses(quota)})):
        errors = [submit("big_1", **gpu)["error"] for _ in range(3)]
        assert [(each["code"], each["status"]) for each in errors] == 3 * [
            (429, "RESOURCE_EXHAUSTED")
        ]
        error = errors[0]
        assert error["message"].startswith(
            "Quota failure for project p1. The request for 2 K80 accelerators exceeds the allowed "
            "maximum of 0 A100, 0 K80,"
        )
        assert error["details"][0]["violations"][0]["subject"] == "p1"
        assert submit("small", **gpu)["state"] == "QUEUED"


def test_refuses_once_and_then_takes(call: Call, submit: Submit) -> None:
    script = fake_service(job_outcomes={"*": succeeds().refused_first(unavailable(), 2)})
    with intercept(script):
        assert [submit("a").get("state", 503) for _ in range(3)] == [503, 503, "QUEUED"]
        assert submit("b")["error"]["status"] == "UNAVAILABLE"  # each job's own count
        assert submit("a")["error"]["code"] == 409
        assert [job["jobId"] for job in call("GET", f"{PROJECT}/jobs")["jobs"]] == ["a"]


def test_cancels_when_asked(call: Call, submit: Submit) -> None:
    with intercept(fake_service(poll_s=0)) as cloud:
        submit("j")
        cloud.clock.advance(100)
        assert call("POST", f"{PROJECT}/jobs/j:cancel", {}) == {}
        assert call("GET", f"{PROJECT}/jobs/j")["state"] == "CANCELLING"
        cloud.clock.advance(10)
        assert call("GET", f"{PROJECT}/jobs/j")["state"] == "CANCELLED"
        cloud.clock.advance(10_000)
        assert call("GET", f"{PROJECT}/jobs/j")["state"] == "CANCELLED"
        assert call("POST", f"{PROJECT}/jobs/j:cancel", {}) == {}


@pytest.mark.parametrize(
    ("scheduling", "note"),
    [
        ({"maxWaitTime": "1800s"}, "waited longer than its maxWaitTime"),
        ({"maxRunningTime": "60s"}, "ran longer than its maxRunningTime"),
    ],
)
def test_time_limits_cancel(
    call: Call, submit: Submit, scheduling: dict[str, Any], note: str
) -> None:
    waits = "maxWaitTime" in scheduling
    outcome = succeeds(queued_s=7_200 if waits else 0)
    with intercept(fake_service(job_outcomes={"*": outcome})) as cloud:
        submit("j", scheduling=scheduling)
        cloud.clock.advance(20_000)
        assert call("GET", f"{PROJECT}/jobs/j")["state"] == "CANCELLED"
        assert any(note in line for line in messages("j"))


def test_logs_its_lines_while_it_runs(submit: Submit) -> None:
    outcome = succeeds(preparing_s=0, running_s=300, lines=["loss = 2", "loss = 1"])
    with intercept(fake_service(job_outcomes={"*": outcome}, poll_s=0)) as cloud:
        submit("j")
        cloud.clock.advance(100)
        assert [line for line in messages("j") if "loss" in line] == ["loss = 2"]
        cloud.clock.advance(200)
        assert [line for line in messages("j") if "loss" in line] == ["loss = 2", "loss = 1"]
        assert messages("j")[-1] == "Job completed successfully."


def test_exports_into_its_job_dir(call: Call, submit: Submit) -> None:
    outcome = succeeds(
        files={"export/1/saved_model.pb": b"model"},
        output=TrainingOutput(consumed_ml_units=1.5),
    )
    with intercept(fake_service(job_outcomes={"*": outcome}, buckets=["out"])) as cloud:
        submit("j", jobDir="gs://out/run")
        cloud.clock.advance(1000)
        path = "https://storage.googleapis.com/out/run/export/1/saved_model.pb"
        assert httpx.get(path).content == b"model"
        job = call("GET", f"{PROJECT}/jobs/j")
        assert job["trainingOutput"]["consumedMLUnits"] == 1.5


def test_an_export_into_a_bucket_that_is_missing_fails_the_test(call: Call, submit: Submit) -> None:
    def run() -> None:
        with intercept(fake_service(job_outcomes={"*": succeeds(files={"a": b"b"})})) as cloud:
            submit("j", jobDir="gs://nowhere/run")
            cloud.clock.advance(1000)
            assert call("GET", f"{PROJECT}/jobs/j")["state"] == "SUCCEEDED"

    with pytest.raises(AssertionError, match=r"Storage refuses what the script asks for: POST"):
        run()


def test_missing_packages_are_refused_if_asked_for(submit: Submit) -> None:
    upload = "https://storage.googleapis.com/packages/trainer.tar.gz"
    with intercept(fake_service(check_uploads=True, buckets=["packages"])):
        refused = submit("j")["error"]
        assert refused["status"] == "FAILED_PRECONDITION"
        assert "cannot be read by service account service-" in refused["message"]
        assert httpx.put(upload, content=b"x").status_code == 200
        assert submit("j")["state"] == "QUEUED"


def test_labels_can_be_changed_with_the_right_etag(call: Call, submit: Submit) -> None:
    with intercept(fake_service(job_outcomes={"*": states(("QUEUED", 99))}, poll_s=0)):
        job = submit("j")
        path = f"{PROJECT}/jobs/j?updateMask=labels"
        changed = call("PATCH", path, {"labels": {"a": "b"}, "etag": job["etag"]})
        assert changed["labels"] == {"a": "b"}
        again = call("PATCH", path, {"labels": {}, "etag": job["etag"]})
        assert again["error"]["status"] == "ABORTED"


def test_the_first_pattern_that_fits_counts(call: Call, submit: Submit) -> None:
    script = fake_service(
        job_outcomes={"a_1": "FAILED", "a_*": states(("QUEUED", 5)), "*": "SUCCEEDED"}
    )
    with intercept(script) as cloud:
        for job_id in ("a_1", "a_2", "b"):
            submit(job_id)
        cloud.clock.advance(10_000)
        found = {job["jobId"]: job["state"] for job in call("GET", f"{PROJECT}/jobs")["jobs"]}
    assert found == {"a_1": "FAILED", "a_2": "QUEUED", "b": "SUCCEEDED"}


def test_invalid_requests_are_refused_as_ever(submit: Submit) -> None:
    with intercept():
        refused = submit("j", runtimeVersion="9.9")["error"]
        assert refused["status"] == "INVALID_ARGUMENT" or refused["code"] == 400
