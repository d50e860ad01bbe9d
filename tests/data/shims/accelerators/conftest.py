"""Runs a program in a runtime's own environment, beside the stubs, as a replica would.

``CMLE_STUB_PYTHON=/path/to/python`` names an environment with another TensorFlow. The tests of
its major version then run in it, and those of the other are skipped.
"""

import json
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emulator.runtimes import Runtime
from emulator.shipped import ACCELERATORS, CAPTURE

PROGRAMS = Path(__file__).parent / "programs"
RESULT = "RESULT "
OTHER = "CMLE_STUB_PYTHON"
ALSO = ("TF_USE_LEGACY_KERAS",)  # from the tests' own environment
Run = Callable[..., "Ran"]


class Ran:
    """Output of a program; ``results`` are what it reported of its checks, by name."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code = done.returncode
        self.output = done.stdout + done.stderr
        self.results: dict[str, Any] = {}
        for line in done.stdout.splitlines():
            if line.startswith(RESULT):
                self.results.update(json.loads(line.removeprefix(RESULT)))

    def __getitem__(self, name: str) -> Any:
        assert name in self.results, self.output[-4000:]
        return self.results[name]


@cache
def tensorflow_of(python: str) -> str:
    code = "import tensorflow; print(tensorflow.__version__)"
    argv = [python, "-c", code]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return done.stdout.split()[-1]


@pytest.fixture(scope="session")
def python_of(made_runtime: Callable[[str], Runtime]) -> Callable[[str], str]:
    """The interpreter for the tests of a runtime version."""

    def python(version: str) -> str:
        other = os.environ.get(OTHER)
        if not other:
            return made_runtime(version).python
        found = tensorflow_of(other)
        if found.split(".")[0] != version.split(".", maxsplit=1)[0]:
            pytest.skip(f"{other} has TensorFlow {found}")
        return other

    return python


@pytest.fixture(scope="module")
def replica(python_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``replica(version, [arguments of python], path=folder, **variables)``."""

    def run(version: str, argv: list[str], path: Path = PROGRAMS, **variables: str) -> Ran:
        python = python_of(version)
        work = tmp_path_factory.mktemp("replica")
        done = subprocess.run(
            [python, *argv],
            cwd=work,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(work),
                "PYTHONPATH": f"{CAPTURE}:{ACCELERATORS}:{path}",
                "TF_CPP_MIN_LOG_LEVEL": "2",
                **{name: os.environ[name] for name in ALSO if name in os.environ},
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return Ran(done)

    return run
