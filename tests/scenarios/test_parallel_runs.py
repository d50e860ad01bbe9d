"""Whole test runs with pytest-xdist: nothing crosses over, and nothing is left behind."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emulator.server import default_cache_dir

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

DEADLINE_S = 120.0
SMALL = """
import os
import pytest
from emulator.assertions import assert_job_succeeded
from emulator.shipped import folder

PRINTS = folder("trainer_fixtures") / "prints"


@pytest.mark.parametrize("number", range({jobs}))
def test_job(number, cmle_submit, cmle_client):
    outcome = cmle_submit(PRINTS, ["--greeting", f"from {{number}}"])
    assert_job_succeeded(outcome)
    said = [line for line in outcome.logs if line.startswith("arguments:")]
    assert len(said) == 1
    assert f'"from {{number}}"' in said[0]
    assert outcome.job_id in [job["jobId"] for job in cmle_client.jobs()]


@pytest.mark.parametrize("number", range({buckets}))
def test_bucket(number, cmle_bucket, cmle_client, cmle_engine):
    assert list(cmle_client.storage.objects(f"gs://{{cmle_bucket}}/")) == []
    cmle_client.storage.upload(f"gs://{{cmle_bucket}}/{{number}}", str(number).encode())
    names = [entry["name"] for entry in cmle_client.storage.objects(f"gs://{{cmle_bucket}}/")]
    assert names == [str(number)]
    mine = {{job["jobId"].rpartition("_")[0] for job in cmle_client.jobs()}}
    assert all(job_id.startswith("test_job") for job_id in mine)
    with open(f"engine-{{os.getpid()}}", "w") as file:
        file.write(f"{{cmle_engine.url}} {{cmle_engine.pid}} {{cmle_engine.project}}")
"""
HANGS = """
import json, os, time
from emulator.shipped import folder

def test_hangs(cmle_start, cmle_client, cmle_engine):
    job_id = cmle_start(folder("trainer_fixtures") / "sleeps", ["--seconds=600"])
    while cmle_client.job(job_id)["state"] != "RUNNING":
        time.sleep(0.1)
    found = {"worker": os.getpid(), "emulator": cmle_engine.pid, "url": cmle_engine.url}
    with open("part", "w") as file:
        json.dump(found, file)
    os.rename("part", "running.json")
    time.sleep(600)

def test_other(cmle_bucket):
    pass
"""
DIES = """
import os, signal
import pytest

@pytest.mark.parametrize("number", range(8))
def test_it(number, cmle_bucket, cmle_engine):
    with open(f"engine-{number}", "w") as file:
        file.write(f"{cmle_engine.url} {cmle_engine.pid} {cmle_engine.project}")
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""


class Run:
    """A pytest run in a folder of its own, with a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tests"
        self.temporary = folder / "tmp"
        self.basetemp = folder / "base"
        self.token = secrets.token_hex(16)
        for path in (self.folder, self.temporary):
            path.mkdir()

    def start(self, text: str, *options: str) -> "subprocess.Popen[str]":
        (self.folder / "test_it.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["--basetemp", str(self.basetemp), "--rootdir", ".", *options]
        environment = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
        ours = {
            "CMLE_CACHE_DIR": str(default_cache_dir()),
            "TMPDIR": str(self.temporary),
            "CMLE_TOKEN_OF_A_TEST": self.token,
        }
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment | ours,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def whole(self, text: str, *options: str) -> tuple[int, str]:
        with self.start(text, *options) as process:
            output, _ = process.communicate()
        return process.returncode, output

    def engines(self) -> set[str]:
        return {" ".join(path.read_text().split()[:2]) for path in self.folder.glob("engine-*")}

    def projects(self) -> set[str]:
        return {path.read_text().split()[2] for path in self.folder.glob("engine-*")}

    def processes(self) -> list[str]:
        """Everything that this run started, by its variables, words and mounts."""
        folder = str(self.folder.parent).encode()
        found = []
        for path in Path("/proc").iterdir():
            if not path.name.isdecimal() or int(path.name) == os.getpid():
                continue
            read = [_content(path / name) for name in ("environ", "cmdline", "mountinfo")]
            if self.token.encode() in read[0] or any(folder in content for content in read[1:]):
                found.append(f"{path.name}: {read[1].decode(errors='replace')}")
        return found

    def left(self) -> list[str]:
        """Files in the temporary folder, and the meeting in pytest's."""
        meeting = self.basetemp / "cmle"
        return [str(path) for path in [*self.temporary.iterdir(), meeting] if path.exists()]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def eventually(found: Callable[[], list[str]]) -> list[str]:
    end = time.monotonic() + DEADLINE_S
    while (rest := found()) and time.monotonic() < end:
        time.sleep(0.1)
    return rest


def is_closed(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(urlsplit(url).port or 0))) != 0


def check_small(run: Run, *, jobs: int, buckets: int) -> None:
    status, output = run.whole(SMALL.format(jobs=jobs, buckets=buckets), "-n", "4")
    assert status == 0, output
    assert f"{jobs + buckets} passed" in output
    assert len(run.engines()) == 1
    assert len(run.projects()) > 1
    # The controller has waited: there is nothing to wait for here.
    assert run.processes() == []
    assert run.left() == []
    assert all(is_closed(engine.split()[0]) for engine in run.engines())


def test_small_tests_side_by_side(run: Run) -> None:
    check_small(run, jobs=12, buckets=28)


@pytest.mark.soak
@pytest.mark.parametrize("turn", range(20))
def test_many_tests_side_by_side(run: Run, turn: int) -> None:
    assert turn >= 0
    check_small(run, jobs=40, buckets=160)


@pytest.mark.parametrize("victim", ["controller", "worker", "emulator"])
def test_a_killed_process_takes_everything_with_it(run: Run, victim: str) -> None:
    options = [] if victim == "worker" else ["-n", "2"]  # alone, worker and controller are one
    process = run.start(HANGS, *options)
    with process:
        card = run.folder / "running.json"
        end = time.monotonic() + 300
        while not card.exists() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert card.exists(), process.communicate()[0]
        found = json.loads(card.read_text())
        if victim == "emulator":
            os.kill(found["emulator"], signal.SIGKILL)
        process.kill()
    assert eventually(run.processes) == []
    assert is_closed(found["url"])
    assert eventually(run.left) == []


def test_a_worker_that_dies_takes_nobody_with_it(run: Run) -> None:
    status, output = run.whole(DIES, "-n", "2", "--cmle-keep")
    assert status == 1
    assert "7 passed" in output
    assert "crashed while running" in output
    assert len(run.engines()) == 1
    assert "The data of the tests that failed is kept in" in output
    assert run.processes() == []
    assert (run.basetemp / "cmle" / "process" / "data" / "emulator.db").is_file()
