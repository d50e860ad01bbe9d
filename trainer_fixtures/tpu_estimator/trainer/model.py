"""A linear model for TPUEstimator: static shapes, CrossShardOptimizer, metrics on the host."""

import numpy as np
import tensorflow as tf
from tensorflow.contrib import tpu

WEIGHTS = [[1.0], [2.0], [3.0], [4.0]]


def input_fn(params):
    features = np.random.RandomState(0).rand(1024, 4).astype("float32")
    labels = features.dot(np.array(WEIGHTS, "float32"))
    dataset = tf.data.Dataset.from_tensor_slices(({"numbers": features}, labels))
    return dataset.repeat().batch(params["batch_size"], drop_remainder=True)


def metric_fn(labels, totals):
    return {"mae": tf.metrics.mean_absolute_error(labels, totals)}


def model_fn(features, labels, mode, params):
    totals = tf.layers.dense(features["numbers"], 1)
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {"serving_default": tf.estimator.export.PredictOutput({"total": totals})}
        return tpu.TPUEstimatorSpec(mode, predictions={"total": totals}, export_outputs=outputs)
    loss = tf.losses.mean_squared_error(labels, totals)
    if mode == tf.estimator.ModeKeys.EVAL:
        return tpu.TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, [labels, totals]))
    optimizer = tf.train.GradientDescentOptimizer(params["learning_rate"])
    if params["use_tpu"]:
        optimizer = tpu.CrossShardOptimizer(optimizer)
    train_op = optimizer.minimize(loss, tf.train.get_global_step())
    return tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def serving_input_fn():
    numbers = tf.placeholder(tf.float32, [None, 4], name="numbers")
    return tf.estimator.export.ServingInputReceiver({"numbers": numbers}, {"numbers": numbers})
