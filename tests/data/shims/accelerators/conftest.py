"""Runs a program in a runtime's own environment, beside the stubs, as a replica would."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.runtimes import Runtime
from emulator.shipped import ACCELERATORS, CAPTURE

PROGRAMS = Path(__file__).parent / "programs"
RESULT = "RESULT "
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


@pytest.fixture(scope="module")
def replica(
    made_runtime: Callable[[str], Runtime], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """``replica(version, [arguments of python], path=folder, **variables)``."""

    def run(version: str, argv: list[str], path: Path = PROGRAMS, **variables: str) -> Ran:
        work = tmp_path_factory.mktemp("replica")
        done = subprocess.run(
            [str(made_runtime(version).python), *argv],
            cwd=work,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(work),
                "PYTHONPATH": f"{CAPTURE}:{ACCELERATORS}:{path}",
                "TF_CPP_MIN_LOG_LEVEL": "2",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return Ran(done)

    return run
