from typing import TYPE_CHECKING

import msgspec
import pytest

from emulator.identity import HEADER, Identity, Kind

if TYPE_CHECKING:
    from tests.api.conftest import Asking

CLOCK = "/cmle/v1/projects/demo/clock"


def test_a_project_has_the_time_of_the_machine(ask: "Asking") -> None:
    document = ask("GET", CLOCK).json()
    assert document == {"time": "2026-01-02T03:04:05Z", "ahead": "0s", "queueDelay": "0s"}


def test_time_is_skipped_for_one_project(ask: "Asking") -> None:
    document = ask("POST", f"{CLOCK}:advance", json={"duration": "604800.5s"}).json()
    assert (document["time"], document["ahead"]) == ("2026-01-09T03:04:05.500000Z", "604800.5s")
    assert ask("GET", CLOCK).json() == document
    assert ask("GET", "/cmle/v1/projects/other/clock").json()["ahead"] == "0s"


def test_a_queue_is_kept(ask: "Asking") -> None:
    assert ask("PATCH", CLOCK, json={"queueDelay": "60s"}).json()["queueDelay"] == "60s"
    assert ask("GET", CLOCK).json()["queueDelay"] == "60s"


@pytest.mark.parametrize(
    "value", [None, 60, "61", "1h", "-60s", "", "99999999999999s", "infs", ["60s"]]
)
def test_what_is_no_duration_is_refused(ask: "Asking", value: object) -> None:
    for refused in (
        ask("POST", f"{CLOCK}:advance", json={"duration": value}),
        ask("PATCH", CLOCK, json={"queueDelay": value}),
    ):
        assert refused.status_code == 400
        assert "such as '3600s'" in refused.json()["error"]["message"]


def test_nobody_skips_centuries(ask: "Asking") -> None:
    refused = ask("POST", f"{CLOCK}:advance", json={"duration": "999999999999s"})
    assert refused.status_code == 400
    assert "at most 100 years" in refused.json()["error"]["message"]


@pytest.mark.parametrize("kind", [Kind.JOB, Kind.VERSION, Kind.INSTALL])
def test_a_trainer_has_no_hand_on_it(ask: "Asking", kind: Kind) -> None:
    headers = {HEADER: msgspec.json.encode(Identity(kind, "demo", "j")).decode()}
    for verb, path in (("GET", CLOCK), ("PATCH", CLOCK), ("POST", f"{CLOCK}:advance")):
        assert ask(verb, path, headers=headers, json={}).status_code == 403
