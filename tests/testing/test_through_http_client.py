"""The standard library, and google-auth's way to a metadata server."""

import http.client
import urllib.error
import urllib.request

import google.auth
import google.auth.transport.requests
import pytest
from google.auth import compute_engine

from emulator.testing import Unmatched, fake_service, intercept

URL = "https://ml.googleapis.com/v1/projects/p1/jobs"


def test_urllib_is_answered() -> None:
    with intercept():
        with urllib.request.urlopen(URL, timeout=5) as answer:
            assert answer.read() == b"{}\n"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{URL}/none", timeout=5)  # noqa: S310 a constant
        assert refused.value.code == 404
        refused.value.close()


def test_a_connection_takes_several_requests() -> None:
    with intercept() as cloud:
        connection = http.client.HTTPSConnection("ml.googleapis.com", timeout=5)
        for body in (b"{}", iter([b"{", b"}"])):
            connection.request("POST", "/v1/projects/p1/jobs/none:cancel", body=body)
            assert connection.getresponse().read().startswith(b"{\n")
        connection.close()
        assert [seen.status for seen in cloud.requests] == [404, 404]


def test_malformed_requests_are_refused_as_the_gateway_does() -> None:
    with intercept():
        connection = http.client.HTTPSConnection("ml.googleapis.com", timeout=5)
        connection.putrequest("GET", "/v1/projects/p1/jobs")
        connection.putheader("content-length", "many")
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 400
        assert b"length of the request's body is unclear" in answer.read()
        connection.close()


def test_an_unmatched_host_is_named() -> None:
    with pytest.raises(Unmatched, match=r"A connection to https://vision\.googleapis\.com "):
        _ask_vision()


def _ask_vision() -> None:
    with intercept():
        http.client.HTTPSConnection("vision.googleapis.com", timeout=5).connect()


def test_google_auth_finds_a_machine_of_googles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a person has no credentials of their own, as in CI."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "NO_GCE_CHECK", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    with intercept(fake_service(project="my-project")):
        credentials, project = google.auth.default()
        assert isinstance(credentials, compute_engine.Credentials)
        assert project == "my-project"
        request = google.auth.transport.requests.Request()
        credentials.refresh(request)  # type: ignore[no-untyped-call]
        assert str(credentials.token).startswith("ya29.")
