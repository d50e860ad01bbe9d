"""Eager execution in TensorFlow 1.15."""

import tensorflow as tf
from outcomes import check

tf.enable_eager_execution()


def placed(device):
    with tf.device(device):
        return float(tf.reduce_sum(tf.matmul(tf.ones([2, 2]), tf.ones([2, 2]))))


@tf.function
def traced(x):
    with tf.device("/GPU:1"):
        return x + 1.0


check("eager", lambda: placed("/GPU:0"))
check("beyond the count", lambda: placed("/GPU:7"))
check("function", lambda: float(traced(tf.constant(1.0))))
