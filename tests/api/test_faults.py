from collections.abc import Callable

import httpx
import msgspec
import pytest

from emulator.identity import HEADER, Identity, Kind

Ask = Callable[..., httpx.Response]
FAULTS = "/cmle/faults"
MINE = {"project": "demo"}


def test_faults_are_added_listed_and_removed(ask: Ask) -> None:
    added = ask("POST", FAULTS, json={"kind": "quota", **MINE}).json()

    assert added == {
        "id": "quota-1",
        "struck": 0,
        "kind": "quota",
        "project": "demo",
        "of": "jobs",
        "times": None,
    }
    assert ask("GET", FAULTS, params=MINE).json() == {"faults": [added]}
    assert ask("GET", FAULTS, params={"project": "other"}).json() == {"faults": []}
    assert ask("DELETE", f"{FAULTS}/quota-1", params={"project": "other"}).status_code == 404
    assert ask("DELETE", f"{FAULTS}/quota-1", params=MINE).json() == {}
    assert ask("DELETE", f"{FAULTS}/quota-1", params=MINE).status_code == 404


def test_all_of_a_project_are_cleared(ask: Ask) -> None:
    for project in ("demo", "other", "demo"):
        ask("POST", FAULTS, json={"kind": "quota", "project": project})

    assert ask("DELETE", FAULTS, params=MINE).json() == {"removed": ["quota-1", "quota-3"]}
    assert len(ask("GET", FAULTS, params={"project": "other"}).json()["faults"]) == 1


@pytest.mark.parametrize(
    ("verb", "path", "options", "status"),
    [
        ("POST", FAULTS, {"json": {"kind": "flood", **MINE}}, 400),
        ("POST", FAULTS, {"content": b"[1]"}, 400),
        ("POST", FAULTS, {"content": b"{"}, 400),
        ("POST", FAULTS, {"json": {"kind": "quota", "project": "Not A Project"}}, 404),
        ("GET", FAULTS, {}, 400),
        ("DELETE", FAULTS, {}, 400),
        ("PATCH", FAULTS, {}, 405),
    ],
)
def test_what_is_wrong_is_refused(
    ask: Ask, verb: str, path: str, options: dict[str, object], status: int
) -> None:
    answer = ask(verb, path, **options)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE"])
def test_a_job_may_not_change_its_own_fate(ask: Ask, verb: str) -> None:
    job = {HEADER: msgspec.json.encode(Identity(Kind.JOB, "demo", "j")).decode()}

    answer = ask(verb, FAULTS, params=MINE, headers=job)

    assert answer.status_code == 403


def test_tokens_tell_what_has_expired_those_before(ask: Ask) -> None:
    def token() -> str:
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        found = ask("GET", path, headers={"Metadata-Flavor": "Google"}).json()["access_token"]
        return str(found)

    before = token()
    added = ask("POST", FAULTS, json={"kind": "expired-tokens", **MINE}).json()

    assert token() == f"{before}.{added['id']}"
