"""Faults of a running emulator, met by Google's own clients."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials

from emulator import Emulator
from emulator.client import Client
from emulator.engine import Engine
from emulator.injection import Injection
from emulator.rest import Refused

JOB: dict[str, Any] = {
    "jobId": "fine",
    "trainingInput": {
        "region": "us-central1",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
        "pythonModule": "trainer.task",
        "packageUris": ["gs://nowhere/trainer.tar.gz"],
    },
}


@pytest.fixture
def other(cmle_engine: Engine) -> Iterator[Client]:
    """A client of another project."""
    with cmle_engine.client("another-project") as client:
        yield client


def test_googles_client_gets_through_storage_that_fails(
    cmle_faults: Injection, cmle_storage: Any, cmle_bucket: str
) -> None:
    fault = cmle_faults.storage(times=3, bucket=cmle_bucket)
    blob = cmle_storage.bucket(cmle_bucket).blob("x")
    blob.upload_from_string(b"content", if_generation_match=0)  # else it does not retry
    assert blob.download_as_bytes() == b"content"
    assert cmle_faults.struck(fault) == 3


def test_tests_of_other_projects_are_not_disturbed(
    cmle_faults: Injection, cmle_engine: Engine, other: Client, cmle_bucket: str
) -> None:
    name = f"{cmle_bucket}-other"
    other.storage.create(name)
    cmle_faults.storage()
    cmle_faults.quota()
    try:
        found = [
            httpx.get(f"{cmle_engine.url}/storage/v1/b/{bucket}/o", trust_env=False).status_code
            for bucket in (cmle_bucket, name)
        ]
        with pytest.raises(Refused, match="cannot be read"):
            other.create_job(JOB)
        assert other.faults.list() == []
    finally:
        other.storage.remove(name)
    assert found == [503, 200]


def test_quotas_are_used_up_and_come_back(cmle_faults: Injection, cmle_client: Client) -> None:
    cmle_faults.quota(times=1)
    cmle_faults.quota("predictions")
    for _ in range(2):
        with pytest.raises(Refused, match="Online prediction requests") as refused:
            cmle_client.predict("none", "", {"instances": []})
        assert refused.value.code == 429
    with pytest.raises(Refused, match="Quota failure for project") as refused:
        cmle_client.create_job(JOB)
    assert refused.value.status == "RESOURCE_EXHAUSTED"
    assert refused.value.details[0]["@type"] == "type.googleapis.com/google.rpc.QuotaFailure"
    with pytest.raises(Refused, match="cannot be read"):  # the next thing that is wrong with it
        cmle_client.create_job(JOB)


def test_a_job_that_is_wrong_is_told_so_first(cmle_faults: Injection, cmle_client: Client) -> None:
    fault = cmle_faults.quota()
    with pytest.raises(Refused, match="mars"):
        cmle_client.create_job({**JOB, "trainingInput": {**JOB["trainingInput"], "region": "mars"}})
    assert cmle_faults.struck(fault) == 0


def test_googles_auth_library_fetches_another_token(
    cmle_faults: Injection, cmle_engine: Engine
) -> None:
    credentials = Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token="r",  # noqa: S106
        token_uri=f"{cmle_engine.url}/token",
        client_id="c",
        client_secret="s",  # noqa: S106
    )
    with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]
        session.trust_env = False
        url = f"{cmle_engine.url}/v1/projects/{cmle_engine.project}/jobs"
        assert session.get(url).status_code == 200
        before = credentials.token
        fault = cmle_faults.expired_tokens()
        assert session.get(url).status_code == 200
        assert credentials.token != before
        assert cmle_faults.struck(fault) == 1
        assert session.get(url).status_code == 200
        assert cmle_faults.struck(fault) == 1


def test_a_test_leaves_a_fault_behind(cmle_faults: Injection, cmle_client: Client) -> None:
    cmle_faults.quota()
    assert len(cmle_client.faults.list()) == 1


def test_the_next_test_does_not_meet_it(cmle_client: Client) -> None:
    assert cmle_client.faults.list() == []


def test_what_was_added_is_taken_back_at_the_end(cmle_client: Client) -> None:
    with cmle_client.faults as faults:
        kept = Injection(cmle_client, cmle_client.project).quota("predictions")
        first, second = faults.quota(), faults.expired_tokens()
        faults.remove(first)
        assert [fault["id"] for fault in faults.list()] == [kept, second]
    assert [fault["id"] for fault in cmle_client.faults.list()] == [kept]
    assert cmle_client.faults.clear() == [kept]
    cmle_client.faults.close()


def test_a_fault_that_is_none_is_refused(cmle_client: Client) -> None:
    with pytest.raises(Refused, match="Exactly one of at_step, at_text and after_s") as refused:
        cmle_client.faults.preempt()
    assert refused.value.status == "INVALID_ARGUMENT"


def test_faults_outlive_the_gateway() -> None:
    with Emulator() as emulator, emulator.client() as client:
        client.storage.create("bkt")
        fault = client.faults.storage(times=2)
        url = f"{emulator.url}/storage/v1/b/bkt"
        assert httpx.get(url, trust_env=False).status_code == 503
        assert client.faults.struck(fault) == 1
        os.kill(emulator.endpoint.gateway_pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        found = 0
        while not found:
            assert time.monotonic() < deadline, "the gateway is not started again"
            try:
                found = httpx.get(url, trust_env=False).status_code
            except httpx.TransportError:
                time.sleep(0.05)
        assert found == 503
        assert httpx.get(url, trust_env=False).status_code == 200
