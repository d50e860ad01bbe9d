"""Write SavedModels with defects, a folder a defect, below the first argument; run in a runtime."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import tensorflow  # noqa: ICN001 - its own name for what is new, tf for what is old

tf = tensorflow.compat.v1
FOLDER = sys.argv[1]
IS_OLD = tensorflow.__version__.startswith("1.")


def place(name: str) -> str:
    return os.path.join(FOLDER, name)  # noqa: PTH118 - Python 3.7's own way with strings


def save(name: str, build: Any, assets: bool = False) -> None:  # noqa: FBT001, FBT002
    with tf.Graph().as_default(), tf.Session() as session:
        inputs, outputs = build()
        signature = tf.saved_model.signature_def_utils.predict_signature_def(inputs, outputs)
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        builder = tf.saved_model.builder.SavedModelBuilder(place(name))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={"serving_default": signature},
            assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS) if assets else None,
            main_op=tf.tables_initializer(),
            strip_default_attrs=True,
        )
        builder.save()


def dense() -> Any:
    x = tf.placeholder(tf.float32, [None, 3], "x")
    weights = tf.get_variable("weights", [3, 1], initializer=tf.ones_initializer())
    return {"x": x}, {"y": tf.matmul(x, weights)}


def python() -> Any:
    x = tf.placeholder(tf.float32, [None], "x")
    return {"x": x}, {"y": tf.reshape(tf.py_func(lambda v: v * 2, [x], tf.float32), [-1])}


def vocabulary() -> Any:
    x = tf.placeholder(tf.string, [None], "x")
    path = place("words.txt")
    with open(path, "w") as file:  # noqa: PTH123
        file.write("a\nb\n")
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            path,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )
    return {"x": x}, {"y": table.lookup(x)}


def example() -> Any:
    x = tf.placeholder(tf.string, [None], "x")
    parsed = tf.io.parse_example(x, {"a": tf.io.FixedLenFeature([], tf.float32)})
    return {"examples": x}, {"y": parsed["a"] * 2}


def image() -> Any:
    x = tf.placeholder(tf.uint8, [None, 2, 2, 3], "x")
    return {"x": x}, {"image": tf.map_fn(tf.image.encode_png, x, dtype=tf.string)}


def normalised() -> Any:
    """An output that depends on the batch."""
    x = tf.placeholder(tf.float32, [None], "x")
    return {"x": x}, {"y": x - tf.reduce_mean(x)}


def unfinished() -> Any:
    """Infinite for zero; with a key that is forwarded, and one that is not."""
    x = tf.placeholder(tf.float32, [None], "x")
    key = tf.placeholder(tf.string, [None], "key")
    row = tf.placeholder(tf.int64, [None], "row")
    return {"x": x, "key": key, "row": row}, {"y": 1.0 / x, "key": tf.identity(key), "row": row * 0}


def keras() -> None:
    layers = tensorflow.keras.layers
    model = tensorflow.keras.Sequential(
        [
            layers.LSTM(4, input_shape=(3, 2)),
            layers.Dropout(0.5),
            layers.BatchNormalization(),
            layers.Lambda(lambda x: x * 2, name="twice"),
        ]
    )
    model.compile("adam", "mse")
    model.save(place("keras"))


def late() -> None:
    """What 2.11 has and 1.15 has not: an operation, and an attribute with a value of its own."""
    module = tensorflow.Module()

    @tensorflow.function(  # type: ignore[untyped-decorator]
        input_signature=[tensorflow.TensorSpec([None, 2], tensorflow.float32, "x")]
    )
    def serve(x: Any) -> Any:
        return {"y": tensorflow.raw_ops.BatchMatMulV3(x=x, y=tensorflow.ones([2, 1]), Tout=x.dtype)}

    tensorflow.saved_model.save(module, place("late_operation"), signatures=serve)

    @tensorflow.function(  # type: ignore[untyped-decorator]
        input_signature=[tensorflow.TensorSpec([None], tensorflow.string, "x")]
    )
    def split(x: Any) -> Any:
        return {"y": tensorflow.raw_ops.DecodeCSV(records=x, record_defaults=[[0.0]])[0]}

    tensorflow.saved_model.save(module, place("plain_csv"), signatures=split)

    @tensorflow.function(  # type: ignore[untyped-decorator]
        input_signature=[tensorflow.TensorSpec([None, 4, 4, 1], tensorflow.float32, "x")]
    )
    def padded(x: Any) -> Any:
        return {"y": depthwise(x)}

    tensorflow.saved_model.save(module, place("late_attribute_in_function"), signatures=padded)
    save("late_attribute", explicit)


def depthwise(x: Any) -> Any:
    return tensorflow.raw_ops.DepthwiseConv2dNative(
        input=x,
        filter=tensorflow.ones([2, 2, 1, 1]),
        strides=[1, 1, 1, 1],
        padding="EXPLICIT",
        explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 0],
    )


def explicit() -> Any:
    x = tf.placeholder(tf.float32, [None, 4, 4, 1], "x")
    return {"x": x}, {"y": depthwise(x)}


save("dense", dense)
for defect in ("no_index", "no_shard", "short_shard", "broken_index"):
    shutil.copytree(place("dense"), place(defect))
data = "variables/variables.data-00000-of-00001"
os.remove(place("no_index/variables/variables.index"))  # noqa: PTH107
os.remove(place("no_shard/" + data))  # noqa: PTH107
with open(place("short_shard/" + data), "wb") as shard:  # noqa: PTH123
    shard.write(b"1234")
with open(place("broken_index/variables/variables.index"), "wb") as index:  # noqa: PTH123
    index.write(b"no index at all, but of some length, as copies that were cut off are.")
save("python", python)
save("vocabulary", vocabulary, assets=True)
shutil.copytree(place("vocabulary"), place("no_asset"))
shutil.rmtree(place("no_asset/assets"))
save("outside", vocabulary)
os.remove(place("words.txt"))  # noqa: PTH107
save("example", example)
save("image", image)
save("normalised", normalised)
save("unfinished", unfinished)
if not IS_OLD:
    keras()
    late()
