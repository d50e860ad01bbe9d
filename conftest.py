"""Fixtures that every room of the test-suite may use."""

import asyncio
import os
from collections.abc import Callable
from functools import cache

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
