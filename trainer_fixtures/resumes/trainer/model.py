"""A line through points that are made up on the way."""

import tensorflow as tf

v1 = tf.compat.v1


def points():
    xs = tf.data.Dataset.range(1000).repeat().batch(20)
    return xs.map(lambda x: ({"x": tf.cast(x, tf.float32) / 1000}, tf.cast(x, tf.float32) / 500))


def line(features, labels, mode):
    slope = v1.get_variable("slope", shape=(), initializer=v1.zeros_initializer())
    bias = v1.get_variable("bias", shape=(), initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(tf.square(slope * features["x"] + bias - labels))
    optimizer = v1.train.GradientDescentOptimizer(0.1)
    train = optimizer.minimize(loss, global_step=v1.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train)
