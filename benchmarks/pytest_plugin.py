"""A test that submits a job and waits for it, and what the plugin costs those that do not."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import Figure, Options, Row, median
from benchmarks.workers import runtime
from emulator.errors import OperatorError
from emulator.server import default_cache_dir

TEST_TARGET_S: Final = 0.8
IMPORT_TARGET_MS: Final = 50
IMPORTED: Final = re.compile(r"^import time: +\d+ \| +(\d+) \| (pytest|emulator\.pytest_plugin)$")
TESTS: Final = """
import json, os, subprocess
import pytest
import emulator
from emulator.assertions import assert_job_succeeded

PRINTS = emulator.fixtures("prints")

def test_first(cmle_submit):
    assert_job_succeeded(cmle_submit(PRINTS, runtime_version="{version}"))

@pytest.mark.parametrize("number", range({times}))
def test_job(cmle_submit, number):
    assert_job_succeeded(cmle_submit(PRINTS, runtime_version="{version}"))

@pytest.mark.parametrize("number", range({times}))
def test_plain(tmp_path, number):
    command = ["{python}", "-m", "trainer.task"]
    done = subprocess.run(command, cwd=PRINTS, capture_output=True, text=True, check=True)
    assert "arguments: []" in done.stdout

@pytest.mark.parametrize("number", range({times}))
def test_bucket(cmle_bucket, number):
    pass
"""
CONFTEST: Final = """
import json

def pytest_runtest_logreport(report):
    with open("reports.jsonl", "a") as file:
        name = report.nodeid.partition("::")[2].partition("[")[0]
        line = {"test": report.nodeid, "name": name, "passed": report.passed}
        file.write(json.dumps({**line, "seconds": report.duration}) + "\\n")
"""


def figures(options: Options) -> Iterator[Figure]:
    for version in options.runtimes:
        made = runtime(version, options)
        options.say(f"pytest: a run with runtime {version}")
        taken = run(
            TESTS.format(version=version, python=made.python, times=options.times(10, 3)), options
        )
        job, plain = median(taken["test_job"]), median(taken["test_plain"])
        yield Figure(
            title=f"A test of its own, from its set-up to its tear-down, runtime {version}",
            peer="python -m trainer.task",
            rows=(
                Row(
                    what="submits a job that only prints, and waits",
                    here=f"{job:.2f} s",
                    peer=f"{plain:.2f} s",
                    compared=f"{job - plain:+.2f} s",
                    target=f"≤ {TEST_TARGET_S} s",
                    met=job <= TEST_TARGET_S,
                ),
                Row(what="asks for a bucket", here=f"{median(taken['test_bucket']):.3f} s"),
                Row(
                    what="the first one, which starts and builds",
                    here=f"{taken['test_first'][0]:.2f} s",
                ),
            ),
        )
    costs = [imported() for _ in range(options.times(9, 3))]
    here = median(cost["emulator.pytest_plugin"] for cost in costs)
    peer = median(cost["pytest"] for cost in costs)
    yield Figure(
        title="What the plugin adds to every run of pytest",
        peer="import pytest",
        rows=(
            Row(
                what="import emulator.pytest_plugin, after pytest",
                here=f"{here:.1f} ms",
                peer=f"{peer:.1f} ms",
                compared=f"{here / peer:.2f}x",
                target=f"≤ {IMPORT_TARGET_MS} ms",
                met=here <= IMPORT_TARGET_MS,
            ),
        ),
    )


def run(tests: str, options: Options) -> dict[str, list[float]]:
    """Seconds of each test, set-up and tear-down included, by the function's name."""
    with tempfile.TemporaryDirectory(prefix="cmle-bench-") as name:
        folder = Path(name)
        (folder / "test_it.py").write_text(tests)
        (folder / "conftest.py").write_text(CONFTEST)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "--rootdir", ".", "--basetemp", "base", "test_it.py"],
            cwd=folder,
            env={**os.environ, "CMLE_CACHE_DIR": str(options.cache_dir or default_cache_dir())},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise OperatorError(f"The tests did not pass:\n{done.stdout}{done.stderr}")
        lines = (folder / "reports.jsonl").read_text().splitlines()
    return summed([json.loads(line) for line in lines])


def summed(reports: list[dict[str, Any]]) -> dict[str, list[float]]:
    """The three phases of each test together."""
    seconds: dict[tuple[str, str], float] = {}
    for report in reports:
        key = (report["name"], report["test"])
        seconds[key] = seconds.get(key, 0.0) + report["seconds"]
    found: dict[str, list[float]] = {}
    for (name, _), value in seconds.items():
        found.setdefault(name, []).append(value)
    return found


def imported() -> dict[str, float]:
    """Milliseconds of both imports, of one process."""
    command = [sys.executable, "-X", "importtime", "-c", "import pytest, emulator.pytest_plugin"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    matches = filter(None, map(IMPORTED.match, done.stderr.splitlines()))
    return {match[2]: int(match[1]) / 1000 for match in matches}
