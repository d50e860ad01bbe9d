"""The relay is one for all jobs, outlives its emulator, and goes with the last of its traces."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from emulator.runners.docker.files import USER
from emulator.runners.docker.firewall import chain
from emulator.runners.docker.relay import _archive

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

RELAY = "cmle.role=relay"


def relays(bench: "DockerBench") -> list[str]:
    label = {"label": [f"cmle.instance={bench.instance}", RELAY]}
    return [row["Id"] for row in bench.engine.client.containers(all=True, filters=label)]


def is_closed(bench: "DockerBench") -> bool:
    """Whether the rules are there."""
    shown = subprocess.run(["iptables", "-w", "5", "-S"], capture_output=True, check=True)
    return chain(bench.instance).encode() in shown.stdout


def test_its_secret_is_for_itself_alone() -> None:
    data = _archive({"gateway": ["10.0.0.1", 4000], "secret": "s"})
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        config = archive.getmember("run/cmle/relay.json")
        assert (config.mode, config.uid) == (0o400, USER)
        content = archive.extractfile(config)
        assert content is not None
        assert json.load(content)["secret"] == "s"  # noqa: S105 it is none


@pytest.mark.docker
def test_the_next_emulator_takes_it_over(contained: "DockerBench") -> None:
    state = contained.data_dir / "relay.json"

    async def work() -> None:
        first: Any = contained.runner
        await first.ready()
        (relay,) = relays(contained)
        known = state.read_bytes()
        await first.relay.let_go()
        second: Any = contained.another_runner()
        await second.ready()
        assert relays(contained) == [relay]
        assert state.read_bytes() == known
        assert state.stat().st_mode & 0o77 == 0
        await second.let_go()

    contained.run(work())


@pytest.mark.docker
def test_one_of_another_image_is_replaced(
    contained: "DockerBench", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        first: Any = contained.runner
        await first.ready()
        (old,) = relays(contained)
        await first.relay.let_go()
        by_id = contained.engine.client.inspect_image("cmle/probe:3.7")["Id"]

        async def image(_: bool) -> str:  # noqa: FBT001 the relay's question
            return str(by_id)

        second: Any = contained.another_runner()
        monkeypatch.setattr(second.relay, "_image", image)
        await second.ready()
        (new,) = relays(contained)
        assert new != old
        await second.let_go()

    contained.run(work())


@pytest.mark.docker
def test_an_emulator_that_never_opened_it_ends_it(contained: "DockerBench") -> None:
    if os.geteuid() != 0 or shutil.which("iptables") is None:
        pytest.skip("the rules are seen by root alone")

    async def work() -> None:
        first: Any = contained.another_runner()
        await first.ready()
        assert is_closed(contained)
        await first.let_go()
        second: Any = contained.another_runner()
        await second.stop_all(0.0)
        assert await second.is_empty()
        await second.let_go()

    contained.run(work())
    assert not is_closed(contained)
