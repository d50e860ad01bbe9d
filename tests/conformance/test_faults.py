"""TensorFlow's own gs:// against storage that fails for a share of its requests."""

from pathlib import Path
from typing import Any

import pytest

from emulator.injection import Injection

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

WRITES_AND_READS = """
import argparse
import hashlib

import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
folder = parser.parse_args().job_dir + "/whole/"
content = {"small": b"x", "large": hashlib.sha512(b"x").digest() * (1 << 14)}
for name, piece in content.items():
    with tf.io.gfile.GFile(folder + name, "wb") as file:
        file.write(piece)
for name, piece in content.items():
    with tf.io.gfile.GFile(folder + name, "rb") as file:
        assert file.read() == piece, name
assert sorted(tf.io.gfile.listdir(folder)) == sorted(content)
print("whole files:", len(content))
"""


@pytest.fixture
def trainer(tmp_path: Path) -> Path:
    package = tmp_path / "writing" / "trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "task.py").write_text(WRITES_AND_READS)
    return package.parent


@pytest.mark.parametrize("runtime_version", ["1.15", pytest.param("2.11", marks=pytest.mark.soak)])
def test_it_writes_and_reads_whole_files(
    cmle_faults: Injection, cmle_submit: Any, trainer: Path, runtime_version: str
) -> None:
    fault = cmle_faults.storage(status=503, share=0.2, job="*", seed=2)
    outcome = cmle_submit(trainer, runtime_version=runtime_version)
    assert outcome.state == "SUCCEEDED", outcome.last_lines(40)
    assert "whole files: 2" in outcome.logs
    assert cmle_faults.struck(fault) > 0
