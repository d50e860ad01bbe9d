"""A running emulator is seen with a project of one's own."""

from pathlib import Path

import msgspec
import pytest

from emulator.datadir import Endpoint
from emulator.engine import Engine
from emulator.errors import OperatorError

CARD = Endpoint(
    pid=7,
    port=1,
    url="http://127.0.0.1:1",
    project="first",
    ca_path="ca.pem",
    bundle_path="bundle.pem",
    gateway_pid=8,
    started=0.0,
    runner="process",
    isolation="none",
)


def test_project_is_the_emulators_or_ones_own(tmp_path: Path) -> None:
    whole, own = Engine(tmp_path, CARD), Engine(tmp_path, CARD, "second")
    assert (whole.project, own.project) == ("first", "second")
    assert own.environment()["CLOUDSDK_CORE_PROJECT"] == "second"
    dirs = {engine.environment()["CLOUDSDK_CONFIG"] for engine in (whole, own)}
    assert len(dirs) == 2
    with own.client() as client, own.client("third") as other:
        assert (client.project, other.project) == ("second", "third")


def test_address_needs_an_emulator(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is not running"):
        _ = Engine(tmp_path).url
    assert msgspec.structs.asdict(Engine(tmp_path, CARD).endpoint)["pid"] == 7
