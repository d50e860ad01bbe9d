"""Fixtures that every room of the test-suite may use."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.package_index import PackageIndex
from emulator.runtimes import Runtime, Runtimes
from emulator.server import default_cache_dir


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
