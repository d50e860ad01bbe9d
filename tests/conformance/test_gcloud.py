"""Google's own command line drives the emulator: the way of a job and of a model."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.shipped import folder

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not on this machine"),
]


class Gcloud:
    """Runs gcloud commands with the emulator's own variables and nothing else of this machine."""

    def __init__(self, emulator: Emulator, home: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CLOUDSDK_CONFIG": str(home / "gcloud"),
            **emulator.environment(),
        }

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["gcloud", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, f"gcloud {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> object:
        done = subprocess.run(
            ["gcloud", *arguments, "--format=json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(project="gcloud-project") as running:
        yield running


@pytest.fixture(scope="module")
def gcloud(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    return Gcloud(emulator, tmp_path_factory.mktemp("home"))


def test_storage_commands(gcloud: Gcloud, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    gcloud("storage", "buckets", "create", "gs://gcloud-storage")
    gcloud("storage", "cp", str(tmp_path / "a.txt"), "gs://gcloud-storage/d/a.txt")

    assert "gs://gcloud-storage/d/a.txt" in gcloud("storage", "ls", "gs://gcloud-storage/d/")
    gcloud("storage", "cp", "gs://gcloud-storage/d/a.txt", str(tmp_path / "b.txt"))
    assert (tmp_path / "b.txt").read_text() == "hello"
    gcloud("storage", "rm", "gs://gcloud-storage/d/a.txt")
    assert gcloud.json("storage", "objects", "list", "gs://gcloud-storage/**") == []


@pytest.mark.tensorflow
def test_a_job_is_submitted_described_and_streamed(gcloud: Gcloud) -> None:
    package = folder("trainer_fixtures") / "prints" / "trainer"
    gcloud("storage", "buckets", "create", "gs://gcloud-staging")
    submitted = gcloud(
        "ai-platform",
        "jobs",
        "submit",
        "training",
        "gcloud_job",
        f"--package-path={package}",
        "--module-name=trainer.task",
        "--staging-bucket=gs://gcloud-staging",
        "--region=us-central1",
        "--runtime-version=2.11",
        "--python-version=3.7",
        "--scale-tier=basic",
    )
    assert "Job [gcloud_job] submitted successfully." in submitted

    streamed = gcloud("ai-platform", "jobs", "stream-logs", "gcloud_job")
    assert "Task completed successfully." in streamed
    described = gcloud.json("ai-platform", "jobs", "describe", "gcloud_job")
    assert isinstance(described, dict)
    assert described["state"] == "SUCCEEDED"
    assert "gcloud_job" in gcloud("ai-platform", "jobs", "list")


@pytest.mark.tensorflow
def test_a_model_is_deployed_and_asked(gcloud: Gcloud, half_plus_two: Path, tmp_path: Path) -> None:
    gcloud("storage", "buckets", "create", "gs://gcloud-models")
    gcloud("storage", "cp", "-r", str(half_plus_two), "gs://gcloud-models/export/")
    origin = f"gs://gcloud-models/export/{half_plus_two.name}"
    gcloud("ai-platform", "models", "create", "half", "--regions=us-central1")
    created = gcloud(
        "ai-platform",
        "versions",
        "create",
        "v1",
        "--model=half",
        f"--origin={origin}",
        "--runtime-version=2.11",
        "--python-version=3.7",
        "--framework=tensorflow",
        "--region=global",
    )
    assert "done" in created
    (tmp_path / "instances.json").write_text('{"x": 1.0}\n{"x": 4.0}\n')

    answer = gcloud.json(
        "ai-platform",
        "predict",
        "--model=half",
        "--version=v1",
        f"--json-instances={tmp_path / 'instances.json'}",
        "--region=us-central1",
    )
    assert answer == {"predictions": [{"y": 2.5}, {"y": 4.0}]}
    gcloud("ai-platform", "versions", "delete", "v1", "--model=half", "--region=us-central1")
    gcloud("ai-platform", "models", "delete", "half", "--region=us-central1")
