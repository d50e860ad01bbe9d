"""``cmle check-model`` of files alone, beside the import of TensorFlow that it goes without."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.measuring import Figure, Options, Row, median
from benchmarks.workers import runtime
from emulator.errors import OperatorError

TARGET_S: Final = 0.15
TARGET_MB: Final = 40
CMLE: Final = Path(sys.executable).with_name("cmle")
EXPORT: Final = """
import sys, tensorflow as tf
x = tf.keras.layers
tf.keras.Sequential([x.Dense(16, input_shape=(4,)), x.Dense(1)]).save(sys.argv[1] + "/dense")
tf.keras.Sequential([x.LSTM(8, input_shape=(3, 2)), x.Dense(1)]).save(sys.argv[1] + "/lstm")
"""
STARTER: Final = """
import os, sys, time
began = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print("", time.perf_counter() - began, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(msgspec.Struct, frozen=True):
    seconds: float
    peak_mb: float


def figures(options: Options) -> Iterator[Figure]:
    times = options.times(9, 3)
    made = runtime("2.11", options)
    with tempfile.TemporaryDirectory(prefix="cmle-bench-") as folder:
        options.say("check-model: exporting two Keras models")
        cost([made.python, "-c", EXPORT, folder])
        here: dict[str, list[Cost]] = {"dense": [], "lstm": []}
        peer = []
        for number in range(times):
            options.say(f"check-model: round {number + 1}")
            for name, costs in here.items():
                costs.append(cost([str(CMLE), "check-model", f"{folder}/{name}"]))
            if number < options.times(3, 1):
                peer.append(cost([made.python, "-c", "import tensorflow"]))
        sizes = {name: (Path(folder) / name / "saved_model.pb").stat().st_size for name in here}
    yield Figure(
        title=f"check-model of Keras exports by their files, median of {times}",
        peer=f"import of TensorFlow {made.tensorflow}",
        rows=tuple(
            row
            for name, costs in here.items()
            for row in rows(f"{name}, {sizes[name] / 1000:.0f} kB", costs, peer)
        ),
    )


def rows(what: str, here: Sequence[Cost], peer: Sequence[Cost]) -> Iterator[Row]:
    seconds, other = median(it.seconds for it in here), median(it.seconds for it in peer)
    yield Row(
        what=f"{what}: time",
        here=f"{seconds * 1000:.0f} ms",
        peer=f"{other * 1000:.0f} ms",
        compared=f"{seconds / other:.2f}x",
        target=f"≤ {TARGET_S * 1000:.0f} ms",
        met=seconds <= TARGET_S,
    )
    peak, most = median(it.peak_mb for it in here), median(it.peak_mb for it in peer)
    yield Row(
        what=f"{what}: peak memory",
        here=f"{peak:.0f} MB",
        peer=f"{most:.0f} MB",
        compared=f"{peak / most:.2f}x",
        target=f"≤ {TARGET_MB} MB",
        met=peak <= TARGET_MB,
    )


def cost(argv: Sequence[str]) -> Cost:
    """Time and peak resident memory of a process, and of nothing else.

    A small process starts it: on Linux a child's peak begins with the one who started it.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STARTER, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(f"{argv[0]} ended with status {done.returncode}.")
    seconds, peak = done.stdout.split()[-2:]
    return Cost(float(seconds), int(peak) * 1024 / 1e6)
