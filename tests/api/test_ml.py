from collections.abc import Callable
from typing import Any

import httpx
import pytest

from emulator import schema
from emulator.api.ml import HANDLERS, PREDICT_LIMIT
from emulator.api.services import Services

Ask = Callable[..., httpx.Response]
JOBS = "/v1/projects/demo/jobs"
MODELS = "/v1/projects/demo/models"
VERSION = {
    "name": "v1",
    "deploymentUri": "gs://bucket/export",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
    "framework": "TENSORFLOW",
}


def error(answer: httpx.Response, code: int) -> dict[str, Any]:
    assert answer.status_code == code, answer.text
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    found: dict[str, Any] = answer.json()["error"]
    assert found["code"] == code
    return found


def test_every_method_of_the_table_is_routed(ask: Ask) -> None:
    for name, method in schema.table().methods.items():
        target = method.pattern.strip("^$").replace("[^/]+", "x1").replace(".*", "p1/models/m")
        variable = method.path.partition("{")[2].partition("}")[0]
        answer = ask(method.http, "/" + method.path.replace(f"{{{variable}}}", target), json={})
        status = answer.json().get("error", {}).get("status")
        assert (status == "UNIMPLEMENTED") == (name not in HANDLERS), (name, answer.text)
        assert answer.status_code != 405, name


def test_what_is_not_built_says_so(ask: Ask) -> None:
    found = error(ask("GET", "/v1/projects/demo/locations/us-central1/studies"), 501)
    assert "ml.projects.locations.studies.list" in found["message"]


def test_creates_and_gets_a_job(ask: Ask, job: dict[str, Any]) -> None:
    made = ask("POST", f"{JOBS}?alt=json", json=job).json()
    assert made["state"] == "QUEUED"
    assert made["createTime"] == "2026-01-02T03:04:05Z"
    assert "scaleTier" not in made["trainingInput"]
    assert made["trainingInput"]["args"] == ["--steps", "1"]
    assert ask("GET", f"{JOBS}/job_1").json() == made


def test_gives_64_bit_counts_as_strings(ask: Ask, job: dict[str, Any]) -> None:
    custom = {"scale_tier": "custom", "master_type": "n1-standard-4", "workerCount": "0"}
    training = {**job["trainingInput"], **custom, "scheduling": {"priority": 5}}
    made = ask("POST", JOBS, json={**job, "trainingInput": training}).json()["trainingInput"]
    assert made["scaleTier"] == "CUSTOM"
    assert made["scheduling"] == {"priority": 5}
    config = ask("GET", "/v1/projects/demo:getConfig").json()
    assert config["serviceAccountProject"].isdecimal()


def test_ignores_what_only_the_service_writes(ask: Ask, job: dict[str, Any]) -> None:
    claims = {"state": "SUCCEEDED", "errorMessage": "x", "endTime": "2020-01-01T00:00:00Z"}
    made = ask("POST", JOBS, json={**job, **claims}).json()
    assert made["state"] == "QUEUED"
    assert "endTime" not in made
    assert "errorMessage" not in made


def test_refuses_a_job_twice(ask: Ask, job: dict[str, Any]) -> None:
    ask("POST", JOBS, json=job)
    found = error(ask("POST", JOBS, json=job), 409)
    assert found["status"] == "ALREADY_EXISTS"
    text = "A job with this id already exists."
    assert found["message"] == f"Field: job.job_id Error: {text}"
    assert found["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "job.job_id", "description": text}],
        }
    ]


def test_names_every_broken_rule_and_stores_nothing(ask: Ask, job: dict[str, Any]) -> None:
    training = {**job["trainingInput"], "region": "mars", "runtimeVersion": "3.0"}
    found = error(ask("POST", JOBS, json={"jobId": "a-b", "trainingInput": training}), 400)
    fields = [violation["field"] for violation in found["details"][0]["fieldViolations"]]
    assert fields == ["job.job_id", "region", "runtime_version"]
    assert ask("GET", JOBS).json() == {}


def test_refuses_an_unknown_field(ask: Ask) -> None:
    found = error(ask("POST", JOBS, json={"jobId": "a", "parameter_server_type": "x"}), 400)
    text = (
        "Invalid JSON payload received. Unknown name \"parameter_server_type\" at 'job': "
        "Cannot find field."
    )
    assert found["message"] == text
    assert found["status"] == "INVALID_ARGUMENT"
    violation = {"field": "job", "description": text}
    assert found["details"][0]["fieldViolations"] == [violation]


TUNED = {"goal": "MAXIMIZE", "params": [{"parameterName": "x", "type": "INTEGER"}]}


@pytest.mark.parametrize("change", [{"hyperparameters": TUNED}, {"runtimeVersion": "2.1"}])
def test_says_what_the_emulator_cannot_do(
    ask: Ask, job: dict[str, Any], change: dict[str, Any]
) -> None:
    asked = {**job, "trainingInput": {**job["trainingInput"], **change}}
    found = error(ask("POST", JOBS, json=asked), 400)
    assert found["status"] == "FAILED_PRECONDITION"
    assert "emulator" in found["message"]


def test_lists_jobs_newest_first_in_pages(ask: Ask, job: dict[str, Any]) -> None:
    for number in range(5):
        ask("POST", JOBS, json={**job, "jobId": f"job_{number}"})
    seen, token = [], ""
    while True:
        page = ask("GET", JOBS, params={"pageSize": 2, "pageToken": token}).json()
        seen += [found["jobId"] for found in page["jobs"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert seen == ["job_4", "job_3", "job_2", "job_1", "job_0"]


def test_pages_do_not_shift_when_a_job_comes(ask: Ask, job: dict[str, Any]) -> None:
    for number in range(3):
        ask("POST", JOBS, json={**job, "jobId": f"job_{number}"})
    token = ask("GET", f"{JOBS}?pageSize=2").json()["nextPageToken"]
    ask("POST", JOBS, json={**job, "jobId": "job_9"})
    page = ask("GET", JOBS, params={"pageSize": 2, "pageToken": token}).json()
    assert [found["jobId"] for found in page["jobs"]] == ["job_0"]


@pytest.mark.parametrize("query", ["pageToken=abc", "pageToken=%00", "pageSize=-1", "pageSize=x"])
def test_refuses_bad_pages(ask: Ask, query: str) -> None:
    error(ask("GET", f"{JOBS}?{query}"), 400)


def test_refuses_a_token_of_another_list(ask: Ask, job: dict[str, Any]) -> None:
    for number in range(2):
        ask("POST", JOBS, json={**job, "jobId": f"job_{number}"})
    token = ask("GET", f"{JOBS}?pageSize=1").json()["nextPageToken"]
    answer = ask("GET", "/v1/projects/other/jobs", params={"pageToken": token})
    assert error(answer, 400)["message"].startswith("Field: page_token")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobId:rnn*", ["rnn_2", "rnn_1"]),
        ("jobId:rnn_1", ["rnn_1"]),
        ("jobId:rnn* AND state:CANCELLED", ["rnn_1"]),
        ("labels.owner=y", ["cnn"]),
        ("jobId=cnn OR jobId=rnn_1", ["cnn", "rnn_1"]),
        ("NOT jobId:rnn*", ["cnn"]),
        ("job_id:rn", []),
    ],
)
def test_filters_jobs(ask: Ask, job: dict[str, Any], text: str, expected: list[str]) -> None:
    for name, owner in (("rnn_1", "x"), ("rnn_2", "x"), ("cnn", "y")):
        ask("POST", JOBS, json={**job, "jobId": name, "labels": {"owner": owner}})
    ask("POST", f"{JOBS}/rnn_1:cancel", json={})
    found = ask("GET", JOBS, params={"filter": text}).json()
    assert [one["jobId"] for one in found.get("jobs", [])] == expected


def test_refuses_a_bad_filter(ask: Ask) -> None:
    found = error(ask("GET", JOBS, params={"filter": "jobId:("}), 400)
    assert found["message"].startswith("Field: filter Error: The filter is not valid")


def test_cancels_a_job(ask: Ask, job: dict[str, Any]) -> None:
    ask("POST", JOBS, json=job)
    assert ask("POST", f"{JOBS}/job_1:cancel", json={}).json() == {}
    assert ask("POST", f"{JOBS}/job_1:cancel").json() == {}
    assert ask("GET", f"{JOBS}/job_1").json()["state"] == "CANCELLED"


def test_patches_labels_under_an_etag(ask: Ask, job: dict[str, Any]) -> None:
    etag = ask("POST", JOBS, json=job).json()["etag"]
    body = {"labels": {"a": "b"}, "etag": etag}
    changed = ask("PATCH", f"{JOBS}/job_1?updateMask=labels,etag", json=body).json()
    assert changed["labels"] == {"a": "b"}
    found = error(ask("PATCH", f"{JOBS}/job_1?updateMask=labels%2Cetag", json=body), 409)
    assert found["status"] == "ABORTED"


def test_patches_nothing_outside_of_the_mask(ask: Ask, job: dict[str, Any]) -> None:
    ask("POST", JOBS, json=job)
    found = error(ask("PATCH", f"{JOBS}/job_1?updateMask=trainingInput", json={}), 400)
    assert "'training_input'" in found["message"]
    error(ask("PATCH", f"{JOBS}/job_1", json={}), 400)
    error(ask("PATCH", f"{JOBS}/job_1?updateMask=labels", json={"labels": {"A": "b"}}), 400)


def test_a_missing_job_is_not_found(ask: Ask) -> None:
    assert error(ask("GET", f"{JOBS}/none"), 404)["status"] == "NOT_FOUND"


def test_deploys_a_model(ask: Ask) -> None:
    assert ask("POST", MODELS, json={"name": "m", "regions": ["us-central1"]}).json() == {
        "name": "projects/demo/models/m",
        "regions": ["us-central1"],
        "etag": "bQ==",
    }
    operation = ask("POST", f"{MODELS}/m/versions", json=VERSION).json()
    assert operation["metadata"]["@type"] == (
        "type.googleapis.com/google.cloud.ml.v1.OperationMetadata"
    )
    assert operation["metadata"]["operationType"] == "CREATE_VERSION"
    assert operation["metadata"]["projectNumber"] == "123"
    assert operation["done"] is True
    assert operation["response"]["@type"] == "type.googleapis.com/google.cloud.ml.v1.Version"
    assert ask("GET", f"/v1/{operation['name']}").json() == operation
    assert ask("GET", f"{MODELS}/m/versions/v1").json()["isDefault"] is True
    assert ask("GET", f"{MODELS}/m").json()["defaultVersion"]["runtimeVersion"] == "2.11"
    listed = ask("GET", "/v1/projects/demo/operations?pageSize=100").json()["operations"]
    assert [one["name"] for one in listed] == [operation["name"]]


def test_changes_and_deletes_models_and_versions(ask: Ask) -> None:
    ask("POST", MODELS, json={"name": "m"})
    ask("POST", f"{MODELS}/m/versions", json=VERSION)
    ask("POST", f"{MODELS}/m/versions", json={**VERSION, "name": "v2"})
    chosen = ask("POST", f"{MODELS}/m/versions/v2:setDefault", json={}).json()
    assert chosen["isDefault"] is True
    mask = "updateMask=labels%2Cdescription"
    ask("PATCH", f"{MODELS}/m?{mask}", json={"description": "d", "labels": {"a": "b"}})
    model = ask("GET", f"{MODELS}/m").json()
    assert (model["description"], model["labels"]) == ("d", {"a": "b"})
    ask("PATCH", f"{MODELS}/m/versions/v1?updateMask=description", json={"description": "e"})
    assert ask("GET", f"{MODELS}/m/versions/v1").json()["description"] == "e"
    assert error(ask("DELETE", f"{MODELS}/m"), 400)["status"] == "FAILED_PRECONDITION"
    for version in ("v1", "v2"):
        deleted = ask("DELETE", f"{MODELS}/m/versions/{version}").json()
        assert deleted["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert ask("GET", f"{MODELS}/m/versions").json() == {}
    assert ask("DELETE", f"{MODELS}/m").json()["metadata"]["operationType"] == "DELETE_MODEL"
    assert ask("GET", MODELS).json() == {}


def test_passes_predictions_through_undecoded(ask: Ask) -> None:
    answer = ask("POST", f"{MODELS}/m/versions/v:predict", content=b'{"instances":  [1]}')
    assert answer.content == (
        b'{"predictions": ["projects/demo/models/m/versions/v", {"instances":  [1]}]}'
    )
    failed = ask("POST", f"{MODELS}/m:predict", content=b"fail")
    assert failed.status_code == 400
    assert failed.json() == {"error": "Prediction failed: unknown error."}


def test_limits_a_prediction(ask: Ask) -> None:
    assert ask("POST", f"{MODELS}/m:predict", content=b" " * PREDICT_LIMIT).status_code == 200
    found = error(ask("POST", f"{MODELS}/m:predict", content=b" " * (PREDICT_LIMIT + 1)), 400)
    assert found["message"] == "Request payload size exceeds the limit: 1572864 bytes."


def test_takes_a_project_by_its_number(ask: Ask, services: Services, job: dict[str, Any]) -> None:
    number = services.projects.get("demo").project_number
    ask("POST", f"/v1/projects/{number}/jobs", json=job)
    assert ask("GET", f"{JOBS}/job_1").json()["jobId"] == "job_1"


def test_answers_locations(ask: Ask) -> None:
    locations = ask("GET", "/v1/projects/demo/locations?pageSize=100").json()["locations"]
    assert len(locations) == 22
    one = ask("GET", "/v1/projects/demo/locations/us-west2").json()
    assert one in locations
    kinds = [capability["type"] for capability in one["capabilities"]]
    assert kinds == ["TRAINING", "BATCH_PREDICTION"]
    error(ask("GET", "/v1/projects/demo/locations/mars"), 404)


def test_keeps_policies(ask: Ask) -> None:
    ask("POST", MODELS, json={"name": "m"})
    assert ask("GET", f"{MODELS}/m:getIamPolicy").json() == {"etag": "ACAB"}
    bindings = [{"role": "roles/ml.modelUser", "members": ["user:a@example.com"]}]
    body = {"policy": {"bindings": bindings, "etag": "ACAB"}, "updateMask": "bindings,etag"}
    kept = ask("POST", f"{MODELS}/m:setIamPolicy", json=body).json()
    assert kept["bindings"] == bindings
    query = "options.requestedPolicyVersion=3"
    assert ask("GET", f"{MODELS}/m:getIamPolicy?{query}").json() == kept
    assert error(ask("POST", f"{MODELS}/m:setIamPolicy", json=body), 409)["status"] == "ABORTED"
    ask("DELETE", f"{MODELS}/m")
    ask("POST", MODELS, json={"name": "m"})
    assert ask("GET", f"{MODELS}/m:getIamPolicy").json() == {"etag": "ACAB"}


def test_permits_everything_that_exists(ask: Ask) -> None:
    ask("POST", MODELS, json={"name": "m"})
    body = {"permissions": ["ml.models.get"]}
    assert ask("POST", f"{MODELS}/m:testIamPermissions", json=body).json() == body
    assert ask("POST", f"{MODELS}/none:testIamPermissions", json=body).json() == {}


def test_refuses_verbs_and_paths_it_does_not_have(ask: Ask) -> None:
    answer = ask("PUT", JOBS)
    error(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"POST", "GET"}
    assert error(ask("GET", "/v1/elsewhere"), 404)["status"] == "NOT_FOUND"


def test_knows_the_query_parameters_of_every_api(ask: Ask) -> None:
    known = "alt=json&fields=jobs&prettyPrint=false&%24.xgafv=2&key=k&quotaUser=u&page_size=3"
    assert ask("GET", f"{JOBS}?{known}").content == b"{}"
    found = error(ask("GET", f"{JOBS}?colour=red"), 400)
    assert found["message"] == (
        'Invalid JSON payload received. Unknown name "colour": Cannot bind query parameter. '
        "Field 'colour' could not be found in request message."
    )


def test_a_defect_answers_an_internal_error(ask: Ask, services: Services) -> None:
    del services.jobs.kept  # type: ignore[attr-defined]
    found = error(ask("GET", JOBS), 500)
    assert found["message"] == "Internal error encountered."
