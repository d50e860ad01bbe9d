from collections.abc import Callable

import httpx
import msgspec
import pytest

from emulator.identity import HEADER, Identity, Kind

Ask = Callable[..., httpx.Response]
FAULTS = "/cmle/v1/projects/demo/faults"
THEIRS = "/cmle/v1/projects/other/faults"


def test_faults_are_added_listed_and_removed(ask: Ask) -> None:
    added = ask("POST", FAULTS, json={"kind": "quota"}).json()

    assert added == {
        "id": "quota-1",
        "struck": 0,
        "kind": "quota",
        "project": "demo",
        "of": "jobs",
        "times": None,
    }
    assert ask("GET", FAULTS).json() == {"faults": [added]}
    assert ask("GET", THEIRS).json() == {"faults": []}
    assert ask("DELETE", f"{THEIRS}/quota-1").status_code == 404
    assert ask("DELETE", f"{FAULTS}/quota-1").json() == {}
    assert ask("DELETE", f"{FAULTS}/quota-1").status_code == 404


def test_all_of_a_project_are_cleared(ask: Ask) -> None:
    for path in (FAULTS, THEIRS, FAULTS):
        ask("POST", path, json={"kind": "quota"})

    assert ask("DELETE", FAULTS).json() == {"removed": ["quota-1", "quota-3"]}
    assert len(ask("GET", THEIRS).json()["faults"]) == 1


@pytest.mark.parametrize(
    ("verb", "path", "options", "status"),
    [
        ("POST", FAULTS, {"json": {"kind": "flood"}}, 400),
        ("POST", FAULTS, {"content": b"[1]"}, 400),
        ("POST", FAULTS, {"content": b"{"}, 400),
        ("POST", "/cmle/v1/projects/Not A Project/faults", {"json": {"kind": "quota"}}, 404),
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

    answer = ask(verb, FAULTS, headers=job)

    assert answer.status_code == 403


def test_tokens_tell_what_has_expired_those_before(ask: Ask) -> None:
    def token() -> str:
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        found = ask("GET", path, headers={"Metadata-Flavor": "Google"}).json()["access_token"]
        return str(found)

    before = token()
    added = ask("POST", FAULTS, json={"kind": "expired-tokens"}).json()

    assert token() == f"{before}.{added['id']}"
