"""A small SavedModel: made, loaded and asked in process, as text goes in and text comes out."""

import json
import sys
import time
from typing import Any, Callable, Dict, List  # noqa: UP035 - Python 3.7 runs this

import tensorflow.compat.v2 as tf

from benchmarks.in_runtime.obeying import obey

_asked: Dict[str, Callable[[str], str]] = {}  # noqa: UP006


class Halves(tf.Module):  # type: ignore[misc]
    """x / 2 + 2, with its numbers as variables."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = tf.Variable(0.5)
        self.offset = tf.Variable(2.0)

    # TensorFlow 1.15 would store annotations with the function, and cannot.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(self, x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        return {"y": x * self.slope + self.offset}


def make(directory: str) -> None:
    model = Halves()
    tf.saved_model.save(model, directory, signatures=model.predict)


def load(directory: str, shims: str) -> None:
    """Load it twice: as a person would, and with the code of the emulator's own server."""
    loaded = tf.saved_model.load(directory)
    signature = loaded.signatures["serving_default"]

    def plainly(body: str) -> str:
        instances = json.loads(body)["instances"]
        result = signature(x=tf.constant([instance["x"] for instance in instances]))
        rows = [{"y": value} for value in result["y"].numpy().tolist()]
        return json.dumps({"predictions": rows})

    sys.path.append(shims)
    from prediction_rules import answer  # type: ignore[import-not-found]  # noqa: PLC0415
    from prediction_server import Model  # type: ignore[import-not-found]  # noqa: PLC0415

    model = Model(directory, 1)

    def as_served(body: str) -> str:
        status, content = answer(model, body.encode())
        return content.decode() if status == 200 else "status %d" % status  # noqa: UP031

    _asked.update(plainly=plainly, as_served=as_served)
    # A signature belongs to its loaded object; without one it dies.
    _kept.append(loaded)


_kept: List[Any] = []  # noqa: UP006


def ask(way: str, body: str, times: int) -> Dict[str, Any]:  # noqa: UP006
    """The last answer and the seconds of each call."""
    call = _asked[way]
    text = ""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        text = call(body)
        seconds.append(time.perf_counter() - began)
    return {"answer": json.loads(text), "seconds": seconds}


if __name__ == "__main__":
    tf.enable_v2_behavior()
    obey({"make": make, "load": load, "ask": ask})
