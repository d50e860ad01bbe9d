import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from emulator.api.services import Services
from emulator.identity import HEADER, Identity, Kind

Ask = Callable[..., httpx.Response]
FLAVOR = {"Metadata-Flavor": "Google"}
BASE = "/computeMetadata/v1"
JOB = Identity(Kind.JOB, "other", "job_1", "service-9@cloud-ml.example.com")


def as_job() -> dict[str, str]:
    return {**FLAVOR, HEADER: msgspec.json.encode(JOB).decode()}


def jwt(claims: dict[str, object]) -> str:
    parts = [msgspec.json.encode(part) for part in ({"alg": "RS256"}, claims)]
    coded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*coded, "c2lnbmF0dXJl"])


def claims_of(token: str) -> dict[str, Any]:
    _, claims, _ = token.split(".")
    found: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(claims + "=="))
    return found


@pytest.mark.parametrize(
    "path", ["/token", "/oauth2/v4/token", "/oauth2/v3/token", "/o/oauth2/token"]
)
def test_grants_a_token_for_an_assertion(ask: Ask, path: str) -> None:
    kind = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = jwt({"iss": "tester@demo.iam.gserviceaccount.com", "scope": "x"})
    body = urlencode({"grant_type": kind, "assertion": assertion})
    found = ask("POST", path, content=body).json()
    assert found["access_token"].startswith("ya29.")
    assert (found["expires_in"], found["token_type"], found["scope"]) == (3600, "Bearer", "x")
    claims = claims_of(found["id_token"])
    assert claims["email"] == "tester@demo.iam.gserviceaccount.com"
    assert claims["exp"] - claims["iat"] == 3600


def test_grants_an_identity_token(ask: Ask) -> None:
    assertion = jwt({"iss": "a@b", "target_audience": "https://run.example.com"})
    body = {"grant_type": "x:jwt-bearer", "assertion": assertion}
    found = ask("POST", "/token", content=urlencode(body)).json()
    assert set(found) == {"id_token"}
    assert claims_of(found["id_token"])["aud"] == "https://run.example.com"


def test_grants_a_token_for_a_refresh_token(ask: Ask) -> None:
    body = {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c"}
    found = ask("POST", "/token", content=urlencode(body)).json()
    assert found["access_token"].startswith("ya29.")
    assert claims_of(found["id_token"])["aud"] == "c"


@pytest.mark.parametrize(
    "body", ["", "grant_type=x:jwt-bearer&assertion=a.b.c", "grant_type=x:jwt-bearer&assertion="]
)
def test_refuses_what_is_no_grant(ask: Ask, body: str) -> None:
    assert ask("POST", "/token", content=body).status_code == 400


def test_answers_the_detection_of_a_metadata_server(ask: Ask) -> None:
    for path in ("/", f"{BASE}/", BASE):
        answer = ask("GET", path, headers=FLAVOR)
        assert answer.status_code == 200
        assert answer.headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("project/project-id", "other"),
        ("instance/service-accounts/", f"default/\n{JOB.email}/\n"),
        ("instance/service-accounts", f"default/\n{JOB.email}/\n"),
        ("instance/service-accounts/default/email", JOB.email),
        (f"instance/service-accounts/{JOB.email}/email", JOB.email),
        (
            "instance/service-accounts/default/scopes",
            "https://www.googleapis.com/auth/cloud-platform\n",
        ),
        ("universe/universe-domain", "googleapis.com"),
    ],
)
def test_metadata_is_the_listeners(ask: Ask, path: str, expected: str) -> None:
    answer = ask("GET", f"{BASE}/{path}", headers=as_job())
    assert answer.text == expected
    assert answer.headers["metadata-flavor"] == "Google"


def test_metadata_of_a_user_is_the_default_project(ask: Ask, services: Services) -> None:
    project = services.projects.default()
    number = str(project.project_number)
    path = f"{BASE}/project/numeric-project-id"
    assert ask("GET", path, headers=FLAVOR).text == number
    zone = ask("GET", f"{BASE}/instance/zone", headers=FLAVOR).text
    assert zone == f"projects/{number}/zones/us-central1-a"


@pytest.mark.parametrize("recursive", ["true", "True"])
def test_describes_an_account(ask: Ask, recursive: str) -> None:
    path = f"{BASE}/instance/service-accounts/default/?recursive={recursive}"
    answer = ask("GET", path, headers=as_job())
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "aliases": ["default"],
        "email": JOB.email,
        "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }


def test_hands_out_tokens(ask: Ask) -> None:
    account = f"{BASE}/instance/service-accounts/default"
    found = ask("GET", f"{account}/token?scopes=a,b", headers=as_job()).json()
    assert found["expires_in"] == 3599
    token = ask("GET", f"{account}/identity?audience=x", headers=as_job()).text
    assert claims_of(token)["email"] == JOB.email
    assert ask("GET", f"{account}/identity", headers=as_job()).status_code == 404


def test_refuses_metadata_without_the_flavor(ask: Ask) -> None:
    assert ask("GET", f"{BASE}/project/project-id").status_code == 403


@pytest.mark.parametrize("path", ["nothing", "instance/service-accounts/other@x/email"])
def test_unknown_metadata_is_not_found(ask: Ask, path: str) -> None:
    answer = ask("GET", f"{BASE}/{path}", headers=FLAVOR)
    assert answer.status_code == 404
    assert answer.headers["metadata-flavor"] == "Google"


def test_says_whose_a_token_is(ask: Ask) -> None:
    assert ask("GET", "/oauth2/v3/tokeninfo?access_token=x", headers=as_job()).json()["email"] == (
        JOB.email
    )
    assert ask("GET", "/oauth2/v2/userinfo", headers=as_job()).json()["email"] == JOB.email
    assert ask("POST", "/revoke", content="token=x").json() == {}
