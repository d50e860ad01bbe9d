"""Write SavedModels, a folder a behaviour, below the first argument; run inside a runtime."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow  # noqa: ICN001 - its own name for what is new, tf for what is old

tf = tensorflow.compat.v1
FOLDER = sys.argv[1]

Signatures = Any  # name → (inputs, outputs)


def save(build: Callable[[], Signatures], tags: Sequence[str] = ("serve",)) -> None:
    """Save what ``build`` answers, signatures as (inputs, outputs), under its own name."""
    with tf.Graph().as_default(), tf.Session() as session:
        signatures = {
            name: tf.saved_model.signature_def_utils.predict_signature_def(*tensors)
            for name, tensors in build().items()
        }
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.builder.SavedModelBuilder(os.path.join(FOLDER, build.__name__))  # noqa: PTH118
        builder.add_meta_graph_and_variables(session, list(tags), signature_def_map=signatures)
        builder.save()


def dense() -> Signatures:
    x = tf.placeholder(tf.float32, [None, 3], "x")
    weights = tf.get_variable("weights", [3, 1], initializer=tf.ones_initializer())
    return {"predict": ({"x": x}, {"y": tf.matmul(x, weights)})}


def forwarded() -> Signatures:
    """A forwarded key, an optional input, two signatures, outputs of many types."""
    x = tf.placeholder(tf.int64, [None])
    key = tf.placeholder(tf.string, [None])
    factor = tf.placeholder_with_default(tf.constant([2], tf.int64), [None])
    product = x * factor
    outputs = {
        "key": key,
        "product": product,
        "even": tf.equal(product % 2, 0),
        "half": tf.cast(product, tf.bfloat16),
        "root": tf.sqrt(tf.cast(x, tf.float32)),
        "key_bytes": tf.identity(key),
    }
    inputs = {"x": x, "key": key, "factor": factor}
    return {"serving_default": (inputs, outputs), "only_key": ({"key": key}, {"key": key})}


def scalar() -> Signatures:
    """A scalar placeholder, as some trainers export it."""
    text = tf.placeholder(tf.string, [], "text")
    return {
        "predict": (
            {"text": text},
            {"length": tf.strings.length(text), "zero": tf.constant(b"a\0")},
        )
    }


def uneven() -> Signatures:
    x = tf.placeholder(tf.float32, [None])
    return {"predict": ({"x": x}, {"x": x + 1, "twice": tf.concat([x, x], 0)})}


def untagged() -> Signatures:
    x = tf.placeholder(tf.float32, [None])
    return {"predict": ({"x": x}, {"y": x + 1})}


def contrib() -> Signatures:
    """An operation that is only known once tf.contrib is imported."""
    from tensorflow.contrib import resampler  # noqa: PLC0415

    x = tf.placeholder(tf.float32, [None, 2, 2, 1])
    warp = tf.zeros([tf.shape(x)[0], 1, 2])
    return {"predict": ({"x": x}, {"y": resampler.resampler(x, warp)})}


def modern() -> None:
    """What TensorFlow 2 exports by itself, with its initialiser among the signatures."""
    module = tensorflow.Module()
    module.weights = tensorflow.Variable([[1.0], [2.0]])

    @tensorflow.function(  # type: ignore[untyped-decorator]
        input_signature=[tensorflow.TensorSpec([None, 2], tensorflow.float32, "x")]
    )
    def serve(x: Any) -> Any:
        return {"y": tensorflow.matmul(x, module.weights)}

    tensorflow.saved_model.save(module, os.path.join(FOLDER, "modern"), signatures=serve)  # noqa: PTH118


save(dense)
save(forwarded)
save(scalar)
save(uneven)
save(untagged, tags=["train"])
if tensorflow.__version__.startswith("1."):
    save(contrib)
else:
    modern()
