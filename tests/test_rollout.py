"""What a version's server is given; models that are deployed for real are in the scenarios."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from emulator import catalog
from emulator.deployment import Deployment
from emulator.objects import Objects
from emulator.resources import Version
from emulator.rollout import Rollout
from emulator.runtimes import Runtime

NAME = "projects/p/models/m/versions/v"
RUNTIME = Runtime("2.11", "3.7", "3.7.16", "2.11.0", "key", "/env", ())
CORES = os.cpu_count() or 1


class Servers:
    """They are told of, and never started."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.added: list[Deployment] = []

    def knows(self, key: str) -> bool:
        return key in self.known

    def add(self, deployment: Deployment) -> None:
        self.known.add(deployment.key)
        self.added.append(deployment)

    async def deploy(self, deployment: Deployment) -> None:
        raise AssertionError(deployment)

    async def undeploy(self, key: str) -> None:
        self.known.discard(key)


@pytest.fixture
def machines(tmp_path: Path) -> Mapping[str, catalog.Machine]:
    folder = tmp_path / "catalog"
    folder.mkdir()
    row = f"[prediction.own-large]\ncpus = {CORES}\nmemory_gb = 1\n"
    (folder / "machine_types.toml").write_text(row)
    return catalog.load(folder).machines.prediction


@pytest.mark.parametrize(
    ("machine_type", "threads"), [("own-large", CORES), ("mls1-c1-m2", 1), ("", 1)]
)
def test_machine_types_are_of_the_emulators_own_catalogue(
    machines: Mapping[str, catalog.Machine], tmp_path: Path, machine_type: str, threads: int
) -> None:
    servers = Servers()

    async def ensure(version: str, python_version: str) -> Runtime:
        assert (version, python_version) == ("2.11", "3.7")
        return RUNTIME

    async def work() -> None:
        rollout = Rollout(Objects("none"), servers, ensure, tmp_path / "models", machines)
        version = Version(
            name=NAME, runtime_version="2.11", python_version="3.7", machine_type=machine_type
        )
        await rollout.recall(NAME, version)
        await rollout.recall(NAME, version)
        await rollout.remove(NAME, version)

    asyncio.run(work())
    assert [each.threads for each in servers.added] == [threads]
    assert servers.known == set()
