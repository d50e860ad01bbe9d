"""google-api-python-client against a real server, with its own document and with the served one."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from googleapiclient.errors import HttpError

PROJECT = "projects/demo"
VERSION = {
    "name": "v1",
    "deployment_uri": "gs://bucket/export",
    "runtime_version": "2.11",
    "python_version": "3.7",
}


@pytest.fixture(params=["bundled", "served"])
def ml(request: pytest.FixtureRequest, served: str) -> Iterator[Any]:
    options = {"api_endpoint": served}
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    if request.param == "bundled":
        service = discovery.build("ml", "v1", credentials=anonymous, client_options=options)
    else:
        document = httpx.get(f"{served}/discovery/v1/apis/ml/v1/rest").text
        service = discovery.build_from_document(
            document, credentials=anonymous, client_options=options
        )
    yield service.projects()
    service.close()


def test_runs_through_jobs(ml: Any, job: dict[str, object]) -> None:
    jobs = ml.jobs()
    assert jobs.create(parent=PROJECT, body=job).execute()["state"] == "QUEUED"
    name = f"{PROJECT}/jobs/job_1"
    assert jobs.get(name=name).execute()["jobId"] == "job_1"
    listed = jobs.list(parent=PROJECT, filter="jobId:job*", pageSize=1)
    assert [one["jobId"] for one in listed.execute()["jobs"]] == ["job_1"]
    patched = jobs.patch(name=name, updateMask="labels", body={"labels": {"a": "b"}}).execute()
    assert patched["labels"] == {"a": "b"}
    assert jobs.cancel(name=name, body={}).execute() == {}
    assert jobs.get(name=name).execute()["state"] == "CANCELLED"


def test_follows_pages(ml: Any, job: dict[str, object]) -> None:
    for number in range(3):
        ml.jobs().create(parent=PROJECT, body={**job, "jobId": f"j{number}"}).execute()
    request, seen = ml.jobs().list(parent=PROJECT, pageSize=2), []
    while request is not None:
        answer = request.execute()
        seen += [one["jobId"] for one in answer["jobs"]]
        request = ml.jobs().list_next(request, answer)
    assert seen == ["j2", "j1", "j0"]


def test_deploys_and_predicts(ml: Any) -> None:
    ml.models().create(parent=PROJECT, body={"name": "m"}).execute()
    parent = f"{PROJECT}/models/m"
    operation = ml.models().versions().create(parent=parent, body=VERSION).execute()
    assert ml.operations().get(name=operation["name"]).execute()["done"] is True
    answer = ml.predict(name=parent, body={"instances": [1]}).execute()
    assert answer["predictions"] == [parent, {"instances": [1]}]
    name = f"{parent}/versions/v1"
    assert ml.models().versions().setDefault(name=name, body={}).execute()["isDefault"] is True
    ml.models().versions().delete(name=name).execute()
    ml.models().delete(name=parent).execute()
    assert ml.models().list(parent=PROJECT).execute() == {}


def test_answers_configuration(ml: Any) -> None:
    found = ml.getConfig(name=PROJECT).execute()
    assert found["serviceAccount"].endswith("@cloud-ml.google.com.iam.gserviceaccount.com")
    assert ml.locations().list(parent=PROJECT).execute()["locations"]


def test_shows_the_services_errors(ml: Any, job: dict[str, object]) -> None:
    ml.jobs().create(parent=PROJECT, body=job).execute()
    with pytest.raises(HttpError) as caught:
        ml.jobs().create(parent=PROJECT, body=job).execute()
    text = "A job with this id already exists."
    assert caught.value.status_code == 409
    assert caught.value.reason == f"Field: job.job_id Error: {text}"
    violation = {"field": "job.job_id", "description": text}
    assert caught.value.error_details[0]["fieldViolations"] == [violation]
