"""TensorFlow itself writes a large file in a job, and the gateway dies under it."""

import hashlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.outcome import wait
from emulator.shipped import folder
from emulator.submission import Code, submit
from tests.conformance.upload_faults.conftest import PART, gateway, on_disk, until

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

WRITES = """
import argparse
import hashlib

import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
path = parser.parse_args().job_dir + "/large"
digest = hashlib.sha256()
with tf.io.gfile.GFile(path, "wb") as file:
    for number in range(100):
        piece = hashlib.sha512(b"%d" % number).digest() * 15625
        digest.update(piece)
        file.write(piece)
    print("uploading", flush=True)
print("length:", tf.io.gfile.stat(path).length)
print("digest:", digest.hexdigest())
with tf.io.gfile.GFile(path, "rb") as file:
    print("read back:", hashlib.sha256(file.read()).hexdigest() == digest.hexdigest())
"""
SIZE = 100_000_000


@pytest.mark.parametrize("runtime_version", ["2.11", "1.15"])
def test_a_job_writes_a_whole_file(tmp_path: Path, runtime_version: str) -> None:
    package = tmp_path / "writing" / "trainer"
    shutil.copytree(folder("trainer_fixtures") / "prints" / "trainer", package)
    (package / "task.py").write_text(WRITES)
    with Emulator(tmp_path / "data") as emulator, emulator.client() as client:
        client.storage.create("large")
        training = {
            "region": "us-central1",
            "runtimeVersion": runtime_version,
            "pythonVersion": "3.7",
            "pythonModule": "trainer.task",
            "jobDir": "gs://large/out",
        }
        job = {"jobId": "writes", "trainingInput": training}
        submit(client, job, Code(package, staging_bucket="gs://large"))
        first = gateway(emulator)["pid"]
        until(lambda: on_disk(emulator.data_dir) > 2 * PART, "a part of the file is there", 600)
        os.kill(first, signal.SIGKILL)
        assert on_disk(emulator.data_dir) < SIZE  # it died in the middle
        until(lambda: gateway(emulator)["pid"] != first, "the gateway is started again")
        outcome = wait(client, "writes", timeout_s=600)

        assert outcome.state == "SUCCEEDED", outcome.last_lines(40)
        assert f"length: {SIZE}" in outcome.logs
        assert "read back: True" in outcome.logs
        stored = client.storage.download("gs://large/out/large")
        assert len(stored) == SIZE
        assert f"digest: {hashlib.sha256(stored).hexdigest()}" in outcome.logs
        sizes = sum(int(found["size"]) for found in client.storage.objects("gs://large/"))
        until(lambda: on_disk(emulator.data_dir) == sizes, "no orphan is left")
