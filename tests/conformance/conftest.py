"""What conformance tests share: a small model, exported by the runtime that serves it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.runtimes import Runtime

EXPORT = """
import sys
import tensorflow as tf

class HalfPlusTwo(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x / 2 + 2}

model = HalfPlusTwo()
tf.saved_model.save(model, sys.argv[1], signatures=model.__call__)
"""


@pytest.fixture(scope="session")
def half_plus_two(
    tmp_path_factory: pytest.TempPathFactory, made_runtime: Callable[[str], Runtime]
) -> Path:
    """A SavedModel folder: ``x`` → ``y = x / 2 + 2``, a scalar an instance."""
    runtime = made_runtime("2.11")
    folder = tmp_path_factory.mktemp("models") / "half_plus_two"
    subprocess.run(
        [runtime.python, "-c", EXPORT, str(folder)],
        env={"PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder
