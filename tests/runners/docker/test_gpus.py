"""GPUs as the engine gives them, shown by a runtime that records what it is told."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cluster import Exit, Replica, SiteSpec
from emulator.runners.docker import gpus
from emulator.runners.docker.engine import Engine
from emulator.runners.docker.runner import DockerRunner

if TYPE_CHECKING:
    from tests.runners.docker.conftest import PrivateEngine

PROBE = "cmle/probe:3.7"
# The SDK leaves a socket open whose connect() failed, until it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


async def image(_: bool) -> str:  # noqa: FBT001 the runner's question
    return PROBE


async def outcome(engine: Engine, data_dir: Path, *, device_requests: bool = False) -> Exit:
    runner = DockerRunner(engine, data_dir, "0123456789ab", image=image, gpus=2)
    runner.device_requests = device_requests
    assert runner.abilities.gpus == 2
    try:
        site = await runner.open(SiteSpec("site"))
        argv = ("python3", "-c", "")
        return await runner.wait(await site.start(Replica("m", "t", argv, {}, image=PROBE, gpus=2)))
    finally:
        await runner.stop_all(0.0)
        await runner.let_go()


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_the_runtime_is_told_which_devices(private_engine: "PrivateEngine", tmp_path: Path) -> None:
    engine = Engine.connect(private_engine.address)
    assert gpus.is_possible(engine)
    assert asyncio.run(outcome(engine, tmp_path)).succeeded
    recorded: Any = private_engine.recorded()
    variables = dict(row.split("=", 1) for row in recorded["process"]["env"])
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "0,1"
    assert variables["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    engine = Engine.connect(private_engine.address)
    assert asyncio.run(gpus.count(engine, "i", PROBE, tmp_path)) == 0  # no device is shown
    (tmp_path / "nvidia0").touch()
    (tmp_path / "nvidiactl").touch()
    assert asyncio.run(gpus.count(engine, "i", PROBE, tmp_path)) == 1
    engine.close()
    engine = Engine.connect(private_engine.address)
    end = asyncio.run(outcome(engine, tmp_path, device_requests=True))
    assert end.reason == "failed_to_start"
    assert "cannot give GPUs to containers" in end.message


@pytest.mark.docker
def test_an_engine_without_the_runtime_has_none(docker_engine: Engine, tmp_path: Path) -> None:
    if gpus.is_possible(docker_engine):
        pytest.skip("this engine has the runtime")
    assert asyncio.run(gpus.count(docker_engine, "i", PROBE, tmp_path)) == 0
    end = asyncio.run(outcome(Engine.connect(), tmp_path))
    assert end.reason == "failed_to_start"
    assert "has no runtime nvidia" in end.message
