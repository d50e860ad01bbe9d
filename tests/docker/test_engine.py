"""engine.sh with an engine of its own, in a network namespace so that no other notices it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "engine.sh"
pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


class Private:
    """A place for an engine: its files, its socket, and how the script is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "sock"
        arguments = f"--data-root {folder}/data --bridge=none --iptables=false"
        self.environment = {
            **os.environ,
            "ENGINE_DIR": str(folder / "dir"),
            "ENGINE_SOCKET": str(self.socket),
            "ENGINE_EXEC_ROOT": str(folder / "exec"),
            "ENGINE_ARGS": arguments,
            "DOCKER_HOST": f"unix://{self.socket}",
        }

    def script(self, verb: str, **more: str) -> "subprocess.CompletedProcess[str]":
        argv = ["unshare", "--net", str(SCRIPT), verb]
        environment = {**self.environment, **more}
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)

    def docker(self, *arguments: str, stdin: bytes | None = None) -> str:
        argv = ["docker", *arguments]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, check=False, env=self.environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    @property
    def pid(self) -> int:
        return int((self.folder / "dir" / "dockerd.pid").read_text())


@pytest.fixture
def private() -> Iterator[Private]:
    if os.geteuid() != 0:
        pytest.skip("an engine is started by root")
    folder = Path(tempfile.mkdtemp(prefix="cmle-engine-"))  # a socket's path is short
    place = Private(folder)
    yield place
    assert place.script("stop").returncode == 0
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounted if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", path], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def test_one_is_started_once_and_stopped(private: Private) -> None:
    assert private.script("status").returncode == 1
    started = private.script("start")
    assert started.returncode == 0, started.stderr
    again = private.script("start")
    assert "one answers at" in again.stderr
    assert "ours answers" in private.script("status").stderr
    stopped = private.script("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert private.script("status").returncode == 1
    assert "Daemon shutdown complete" in (private.folder / "dir" / "dockerd.log").read_text()


def test_one_that_somebody_else_started_is_left_alone(private: Private) -> None:
    assert private.script("start").returncode == 0
    other = private.script("stop", ENGINE_DIR=str(private.folder / "other"))
    assert other.returncode == 0
    assert "left alone" in other.stderr
    assert private.script("status").returncode == 0


def test_the_next_one_starts_after_a_kill(private: Private) -> None:
    assert private.script("start").returncode == 0
    os.kill(private.pid, signal.SIGKILL)
    again = private.script("start")
    assert again.returncode == 0, again.stderr
    assert "ours answers" in private.script("status").stderr


def test_what_the_project_made_goes_and_the_rest_stays(private: Private, probe_image: str) -> None:
    assert private.script("start").returncode == 0
    saved = subprocess.run(["docker", "save", probe_image], capture_output=True, check=True)
    private.docker("load", stdin=saved.stdout)
    for name, label in (("ours", "cmle.instance=1"), ("theirs", "other=1")):
        options = ["--detach", "--init", "--network=none", "--name", name, "--label", label]
        private.docker("run", *options, probe_image, "sleep", "600")
        private.docker("volume", "create", "--label", label, f"{name}-volume")
    assert private.script("stop").returncode == 0
    assert private.script("start").returncode == 0
    assert private.docker("ps", "--all", "--format", "{{.Names}}") == "theirs"
    assert private.docker("volume", "ls", "--quiet") == "theirs-volume"
    assert private.docker("image", "ls", "--quiet")
    private.docker("rm", "--force", "theirs")
