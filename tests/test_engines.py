"""Which runner it is, by what was asked for and what there is."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import engines
from emulator.cluster import Isolation
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.package_index import PackageIndex

# The SDK leaves a socket open whose connect() failed, until it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


def choose(
    tmp_path: Path, runner: engines.Setting, environment: dict[str, str]
) -> tuple[str, Isolation, list[str]]:
    """The runner's name, the isolation level, and what was said."""
    said: list[str] = []
    data = DataDir(tmp_path / "data")
    data.open()
    wanted = engines.Wanted(
        runner=runner,
        isolation="none",
        policy="exact",
        cache_dir=tmp_path / "cache",
        grace_s=30.0,
    )

    async def work() -> engines.Place:
        return await engines.choose(wanted, data, PackageIndex(), environment, said.append)

    try:
        place = asyncio.run(work())
    finally:
        data.close()
    return place.runner.name, place.isolation, said


def nowhere(tmp_path: Path) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"}


def test_processes_need_no_engine(tmp_path: Path) -> None:
    assert choose(tmp_path, "process", nowhere(tmp_path)) == ("process", "none", [])


def test_without_an_engine_auto_says_so_and_goes_on(tmp_path: Path) -> None:
    name, _, said = choose(tmp_path, "auto", nowhere(tmp_path))
    assert name == "process"
    assert said[0].startswith("Jobs run as processes of this machine. The Docker Engine is not")


def test_without_an_engine_docker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nothing listens on its socket"):
        choose(tmp_path, "docker", nowhere(tmp_path))


def test_nobody_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nothing listens"):
        engines.look(nowhere(tmp_path))


@pytest.mark.docker
def test_with_an_engine_auto_uses_it(tmp_path: Path, docker_engine: object) -> None:
    del docker_engine
    assert choose(tmp_path, "auto", {})[:2] == ("docker", "container")
    seen = engines.look({})
    assert "CPUs" in seen.text
