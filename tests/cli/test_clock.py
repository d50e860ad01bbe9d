"""``cmle clock``."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle
    from tests.conftest import Keeper

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.mark.parametrize(
    ("duration", "sent"),
    [("7d", "604800s"), ("1h30m", "5400s"), ("90s", "90s"), ("0.5h", "1800s"), ("1d1s", "86401s")],
)
def test_time_is_skipped(cmle: "Cmle", keeper: "Keeper", duration: str, sent: str) -> None:
    result = cmle("clock", "advance", duration, "--json")
    assert keeper.clock["ahead"] == sent
    assert json.loads(result.out) == keeper.clock
    assert cmle("clock", "show").out.startswith(f"ahead: {sent}\n")


@pytest.mark.parametrize("duration", ["", "7", "d", "7 d", "-7d", "7w", "1h, 30m", "inf"])
def test_what_is_no_duration_is_refused(cmle: "Cmle", keeper: "Keeper", duration: str) -> None:
    result = cmle("clock", "advance", "--", duration)
    assert result.code == 2
    assert "is no duration: write 7d, 2h, 1h30m or 90s" in result.err
    assert keeper.requests == []


def test_jobs_are_queued(cmle: "Cmle", keeper: "Keeper") -> None:
    assert cmle("clock", "queue", "1h").code == 0
    assert keeper.clock["queueDelay"] == "3600s"
