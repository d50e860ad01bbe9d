"""httplib2, and google-api-python-client on top of it."""

import time

import httplib2
import pytest
from google.auth.credentials import AnonymousCredentials as Anonymous
from googleapiclient import discovery, errors

from emulator.testing import Fault, fails, fake_service, intercept, succeeds, unavailable

JOB = {
    "jobId": "census",
    "trainingInput": {
        "region": "us-central1",
        "pythonModule": "trainer.task",
        "packageUris": ["gs://packages/trainer.tar.gz"],
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
    },
}
ANONYMOUS = Anonymous()  # type: ignore[no-untyped-call]
LIST = "https://ml.googleapis.com/v1/projects/p1/jobs"


def build() -> discovery.Resource:
    return discovery.build(
        "ml", "v1", credentials=ANONYMOUS, cache_discovery=False, static_discovery=True
    )


def test_the_client_drives_a_job_to_its_end() -> None:
    with intercept(fake_service(job_outcomes={"census": succeeds()})) as cloud:
        jobs = build().projects().jobs()
        assert jobs.create(parent="projects/p1", body=JOB).execute()["state"] == "QUEUED"
        seen = []
        while "endTime" not in (job := jobs.get(name="projects/p1/jobs/census").execute()):
            seen.append(job["state"])
            cloud.clock.advance(200)
        assert seen == ["PREPARING", "RUNNING", "RUNNING", "RUNNING"]
        assert job["state"] == "SUCCEEDED"
        with pytest.raises(errors.HttpError) as refused:
            jobs.create(parent="projects/p1", body=JOB).execute()
        assert refused.value.status_code == 409


def test_the_client_reads_the_served_discovery_document() -> None:
    with intercept():
        ml = discovery.build(
            "ml",
            "v1",
            credentials=ANONYMOUS,
            cache_discovery=False,
            static_discovery=False,
            discoveryServiceUrl="https://www.googleapis.com/discovery/v1/apis/{api}/{apiVersion}/rest",
        )
        assert ml.projects().models().list(parent="projects/p1").execute() == {}


def test_retries_of_the_client_take_no_time() -> None:
    script = fake_service(
        job_outcomes={"*": fails().refused_first(unavailable(), 3)},
        faults={"GET *": Fault(unavailable(), times=2)},
    )
    with intercept(script) as cloud:
        jobs = build().projects().jobs()
        began = time.monotonic()
        jobs.create(parent="projects/p1", body=JOB).execute(num_retries=5)
        jobs.get(name="projects/p1/jobs/census").execute(num_retries=5)
        assert time.monotonic() - began < 5  # with its own pauses, about 10 s on average
        assert [seen.status for seen in cloud.requests] == [503] * 3 + [200] + [503] * 2 + [200]


def test_an_object_from_before_the_block_is_answered() -> None:
    http = httplib2.Http()
    asking = http.request  # a wrapper, such as oauth2client's, keeps it
    for _ in range(2):
        with intercept():
            for ask in (http.request, asking):
                response, content = ask(LIST)
                assert (response.status, content) == (200, b"{}\n")
    http.close()


def test_follows_what_httplib2_does_with_answers() -> None:
    with intercept(fake_service(buckets=["my-bucket"])):
        http = httplib2.Http()
        url = "https://storage.googleapis.com/my-bucket/x"
        response, _ = http.request(url, "PUT", body=b"text", headers={"x-goog-meta-a": "b"})
        assert response.status == 200
        response, content = http.request(url, "HEAD")
        assert (response["x-goog-meta-a"], content) == ("b", b"")
        response, _ = http.request("https://storage.googleapis.com/my-bucket/none")
        assert response["status"] == "404"
        http.close()
