"""docker/compose.yaml: everything in containers, the demonstration against it, and restarts."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.client import Client
from emulator.shipped import folder
from emulator.states import JobState
from emulator.submission import Code, submit

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
SERVICES = ("fake-gcs-server", "gateway", "emulator")
PROJECT = "composed"
BUCKET = f"{PROJECT}-restarts"
SLEEPS = folder("trainer_fixtures") / "sleeps" / "trainer"
DEADLINE_S = 300.0
VERSION_1, VERSION_2 = "docker-compose", "compose-v2.sh"
pytestmark = [pytest.mark.docker, pytest.mark.tensorflow, pytest.mark.timeout(1800)]


def docker(*arguments: str) -> list[str]:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


class Composed:
    """The services of compose.yaml under a name and a port of their own."""

    def __init__(self, command: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = sock.getsockname()[1]
        self.name = f"cmle-test-{secrets.token_hex(3)}"
        self._command = [command, "--file", str(COMPOSE), "--project-name", self.name]
        bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or "/dev/null"
        self._environment = {
            **os.environ,
            "CMLE_PORT": str(self.port),
            "CMLE_PROJECT": PROJECT,
            "CMLE_CA_BUNDLE": bundle,
        }
        self.instance = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
            timeout=DEADLINE_S,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not true():
            assert time.monotonic() < deadline, f"{what}: {self.run('logs', '--no-color')[-4000:]}"
            time.sleep(0.3)

    def client(self) -> Client:
        return Client(self.url, PROJECT, timeout_s=60)

    def answers(self) -> bool:
        with httpx.Client(trust_env=False, timeout=60) as client:
            try:
                return client.get(f"{self.url}/v1/projects/{PROJECT}/jobs").is_success
            except httpx.TransportError:
                return False


@pytest.fixture(scope="module", params=[VERSION_1, pytest.param(VERSION_2, marks=pytest.mark.soak)])
def composed(request: pytest.FixtureRequest) -> Iterator[Composed]:
    command = request.param
    if command == VERSION_2:
        script = str(COMPOSE.with_name(command))
        command = subprocess.run(
            [script], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
    elif not shutil.which(command):
        missing("docker-compose is not installed")
    for image in ("cmle/emulator:latest", "cmle/fake-gcs:latest"):
        if not docker("image", "ls", "--quiet", image):
            missing(f"{image} is not there (make images)")
    services = Composed(command)
    try:
        services.run("up", "--detach")
        services.until(services.answers, "it does not answer")
        services.instance = services.run("exec", "-T", "emulator", "cat", "/data/instance").strip()
        yield services
    finally:
        services.run("down", "--volumes", "--timeout", "60", check=False)


def missing(reason: str) -> None:
    if os.environ.get("CMLE_REQUIRE_DOCKER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def of_instance(services: Composed, kind: str) -> list[str]:
    listing = {
        "container": ["ps", "--all"],
        "network": ["network", "ls"],
        "volume": ["volume", "ls"],
    }
    return docker(*listing[kind], "--quiet", "--filter", f"label=cmle.instance={services.instance}")


def test_only_the_gateway_is_reached_and_only_from_this_machine(composed: Composed) -> None:
    bound = "{{range .}}{{.HostIp}}:{{.HostPort}} {{end}}"
    form = f"{{{{range .NetworkSettings.Ports}}}}{bound}{{{{end}}}}"
    for service in SERVICES:
        (container,) = composed.run("ps", "--quiet", service).split()
        published = docker("inspect", "--format", form, container)
        assert published == ([f"127.0.0.1:{composed.port}"] if service == "gateway" else [])


def test_only_the_emulator_has_the_engines_socket(composed: Composed) -> None:
    form = "{{range .Mounts}}{{.Destination}} {{end}}"
    having = [
        service
        for service in SERVICES
        for container in composed.run("ps", "--quiet", service).split()
        if "/var/run/docker.sock" in docker("inspect", "--format", form, container)
    ]
    assert having == ["emulator"]


def test_the_demonstration_passes(composed: Composed) -> None:
    argv = [sys.executable, "-m", "emulator", "demo", "--url", composed.url, "--project", PROJECT]
    argv += ["--runtime-version", "1.15", "--train-steps", "100"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr + composed.run("logs", "emulator")
    assert "state SUCCEEDED" in done.stdout
    assert "│ prediction" in done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_a_restart_loses_nothing(composed: Composed, service: str) -> None:
    job_id = f"sleeps_{service.replace('-', '_')}_{secrets.token_hex(2)}"
    with composed.client() as client:
        client.storage.create(BUCKET, exist_ok=True)
        client.storage.upload(f"gs://{BUCKET}/{service}", b"kept " * 100_000)
        if "kept" not in {model["name"].rpartition("/")[2] for model in client.models()}:
            client.create_model("kept", regions=["us-central1"])
        submit(client, sleeper(job_id), Code(package_path=SLEEPS))
        composed.until(lambda: ticks(client, job_id) > 0, "the job does not run")
        containers = of_instance(composed, "container")

    composed.run("restart", "--timeout", "60", service)
    composed.until(composed.answers, f"it does not answer after a restart of {service}")

    with composed.client() as client:
        assert client.storage.download(f"gs://{BUCKET}/{service}") == b"kept " * 100_000
        assert client.job(job_id)["state"] == JobState.RUNNING
        assert client.model("kept")["regions"] == ["us-central1"]
        seen = ticks(client, job_id)
        composed.until(lambda: ticks(client, job_id) > seen, "the job's log stands still")
        assert set(of_instance(composed, "container")) <= set(containers)  # the same replica
        numbers = [entry.text for entry in client.entries(job_id) if entry.text.startswith("tick")]
        assert numbers == [f"tick {number}" for number in range(len(numbers))]
        client.cancel_job(job_id)
        client.wait_job(job_id, timeout_s=DEADLINE_S)


def test_what_was_taken_down_leaves_nothing(composed: Composed) -> None:
    composed.run("down", "--volumes", "--timeout", "60")
    ours = f"label=com.docker.compose.project={composed.name}"
    composed.until(lambda: not of_instance(composed, "container"), "containers are left")
    assert of_instance(composed, "network") == []
    assert of_instance(composed, "volume") == []
    assert docker("ps", "--all", "--quiet", "--filter", ours) == []
    assert docker("network", "ls", "--quiet", "--filter", ours) == []
    assert docker("volume", "ls", "--quiet", "--filter", ours) == []


def sleeper(job_id: str) -> dict[str, Any]:
    training = {
        "scaleTier": "BASIC",
        "region": "us-central1",
        "runtimeVersion": "1.15",
        "pythonVersion": "3.7",
        "pythonModule": "trainer.task",
        "jobDir": f"gs://{BUCKET}/{job_id}",
        "args": ["--seconds=3000"],
    }
    return {"jobId": job_id, "trainingInput": training}


def ticks(client: Client, job_id: str) -> int:
    return sum(entry.text.startswith("tick") for entry in client.entries(job_id))
