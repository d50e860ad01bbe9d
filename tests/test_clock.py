from typing import TYPE_CHECKING

from emulator.client import Client

if TYPE_CHECKING:
    from tests.conftest import Keeper

PATH = "/cmle/v1/projects/p/clock"


def test_it_is_read_as_seconds(client: Client) -> None:
    assert client.clock() == 1577836800.5


def test_time_is_skipped_in_any_unit(client: Client, keeper: "Keeper") -> None:
    client.clock.advance(1.25, minutes=1, hours=2, days=7)
    assert keeper.requests == [("POST", f"{PATH}:advance", {"duration": "612061.25s"})]
    assert client.clock.document()["ahead"] == "612061.25s"


def test_jobs_are_queued_from_then_on(client: Client, keeper: "Keeper") -> None:
    client.clock.queue_jobs(hours=1)
    assert keeper.requests == [("PATCH", PATH, {"queueDelay": "3600s"})]
