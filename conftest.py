"""Fixtures that every room of the test-suite may use."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from emulator import shipped
from emulator.errors import OperatorError
from emulator.package_index import PackageIndex
from emulator.runners.docker.engine import Engine
from emulator.runtimes import Runtime, Runtimes
from emulator.server import default_cache_dir

PROBE_IMAGE = "cmle/probe:3.7"


@pytest.fixture(scope="session")
def made_runtime() -> Callable[[str], Runtime]:
    """The environment of a runtime version on Python 3.7, made now if need be."""

    @cache
    def made(version: str) -> Runtime:
        environment = dict(os.environ)
        index = PackageIndex.of_user(environment)
        runtimes = Runtimes(default_cache_dir(), index=index, environment=environment)
        try:
            return asyncio.run(runtimes.ensure(version, "3.7"))
        except OperatorError as error:
            pytest.skip(f"runtime {version} cannot be made on this machine: {error}")

    return made


@pytest.fixture(scope="session")
def probe_image() -> str:
    """A small image with Python 3.7, without pip's packages and without TensorFlow."""
    script = Path(__file__).parent / "docker" / "base" / "probe.sh"
    made = subprocess.run([script, "3.7"], capture_output=True, text=True, timeout=600, check=False)
    if made.returncode != 0:
        _missing(f"the probe image cannot be made on this machine: {made.stderr}")
    return "cmle/probe:3.7"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of the engine are skipped where none answers, unless that is not allowed."""
    if item.get_closest_marker("docker") and (reason := _without_engine()):
        _missing(reason)


@cache
def _without_engine() -> str:
    try:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no Docker Engine: {error}"
    return "" if answer.returncode == 0 else f"no Docker Engine: {answer.stderr.strip()}"


def _missing(reason: str) -> None:
    """CI says CMLE_REQUIRE_DOCKER=1: what is missing there must not look like a pass."""
    if os.environ.get("CMLE_REQUIRE_DOCKER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A Docker Engine with the probe image, made now if need be."""
    try:
        engine = Engine.connect()
    except OperatorError as error:
        _without(str(error))
    if not engine.client.images(PROBE_IMAGE):
        script = shipped.folder("docker") / "base" / "probe.sh"
        made = subprocess.run([script], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            _without(f"the probe image could not be made: {made.stderr[-500:]}")
    yield engine
    engine.close()


def _without(reason: str) -> NoReturn:
    if os.environ.get("CMLE_REQUIRE_DOCKER"):
        pytest.fail(reason)
    pytest.skip(reason)
