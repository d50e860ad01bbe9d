"""Programs for a TPU, TensorFlow 1.15: estimators that break one rule each, and the raw API."""

import sys

import numpy as np
import outcomes
import tensorflow as tf
from outcomes import check, report
from tensorflow.contrib import tpu

outcomes.listen()
tf.logging.set_verbosity(tf.logging.ERROR)
contexts = []
types = []  # of the model that computes in bfloat16


def input_fn_of(kind):
    def input_fn(params):
        size = 12 if kind == "batch of its own" else params["batch_size"]
        features = np.random.RandomState(0).rand(1024, 4).astype("float32")
        labels = features.dot(np.array([[1.0], [2.0], [3.0], [4.0]], "float32"))
        if kind == "strings":
            features = np.array(["a"] * 1024)
        dataset = tf.data.Dataset.from_tensor_slices((features, labels)).repeat()
        if kind == "python input":
            dataset = dataset.map(
                lambda x, y: (tf.reshape(tf.py_func(lambda z: z, [x], tf.float32), [4]), y)
            )
        if kind == "local file":
            lines = tf.data.TextLineDataset(__file__).repeat()
            dataset = tf.data.Dataset.zip((dataset, lines)).map(lambda rows, line: rows)
        contexts.append(params["context"].current_input_fn_deployment())
        return dataset.batch(size, drop_remainder=kind != "dynamic")

    return input_fn


def model_fn_of(kind):
    def model_fn(features, labels, mode, params):
        contexts.append([params["use_tpu"], params["batch_size"], features.shape.as_list()])
        if kind == "py_func":
            shape = features.shape
            features = tf.py_func(lambda x: x, [features], tf.float32)
            features.set_shape(shape)
        if kind == "bfloat16":
            with tpu.bfloat16_scope():
                totals = tf.layers.dense(tf.cast(features, tf.bfloat16), 1)
            types.append([totals.dtype.name, tf.trainable_variables()[0].dtype.base_dtype.name])
            totals = tf.cast(totals, tf.float32)
        else:
            totals = tf.layers.dense(features, 1)
        if mode == "infer":
            return tpu.TPUEstimatorSpec(mode, predictions={"total": totals})
        loss = tf.losses.mean_squared_error(labels, totals)
        if mode == "eval":
            metrics = (lambda l, t: {"mae": tf.metrics.mean_absolute_error(l, t)}, [labels, totals])
            return tpu.TPUEstimatorSpec(mode, loss=loss, eval_metrics=metrics)
        optimizer = tf.train.GradientDescentOptimizer(0.3)
        if kind != "no CrossShardOptimizer":
            optimizer = tpu.CrossShardOptimizer(optimizer)
        tf.summary.scalar("loss", loss)
        step = tf.train.get_global_step()
        return tpu.TPUEstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, step))

    return model_fn


def estimator(kind, batch_size=128):
    resolver = tf.contrib.cluster_resolver.TPUClusterResolver()
    config = tpu.RunConfig(
        cluster=resolver,
        model_dir=kind.replace(" ", "_"),
        tpu_config=tpu.TPUConfig(iterations_per_loop=50, num_shards=8),
    )
    return tpu.TPUEstimator(
        model_fn_of(kind),
        config=config,
        train_batch_size=batch_size,
        eval_batch_size=128,
        predict_batch_size=128,
    )


def train(kind, batch_size=128, **steps):
    estimator(kind, batch_size).train(input_fn_of(kind), **(steps or {"max_steps": 1}))


if "rules" in sys.argv:
    check("local model_dir", lambda: train("model_dir"))
else:
    good = estimator("good")
    good.train(input_fn_of("good"), max_steps=200)
    report("seen", contexts[:4])
    report("mae", float(good.evaluate(input_fn_of("good"), steps=4)["mae"]))
    report("predicted", len(list(zip(range(200), good.predict(input_fn_of("good"))))))
    halves = estimator("bfloat16")
    halves.train(input_fn_of("bfloat16"), max_steps=200)
    report("bfloat16", [types[0], float(halves.evaluate(input_fn_of("good"), steps=4)["mae"])])
    for kind in ("dynamic", "strings", "python input", "batch of its own", "py_func"):
        check(kind, lambda: train(kind))
    check("no CrossShardOptimizer", lambda: train("no CrossShardOptimizer"))
    check("batch of 130", lambda: train("x", batch_size=130))
    check("no steps", lambda: train("x", max_steps=None))
    check("local file", lambda: train("local file"))

    with tf.Graph().as_default():
        doubled = tpu.rewrite(lambda x: x * 2.0, [tf.ones([2])])
        topology = tpu.initialize_system()
        with tf.Session("grpc://10.240.1.2:8470") as session:
            report("started", len(session.run(topology)) > 0)
            report("rewritten", session.run(doubled)[0].tolist())
            session.run(tpu.shutdown_system())
        check("rewrite", lambda: tpu.rewrite(lambda x: tf.as_string(x), [tf.ones([2])]))
outcomes.finish()
