"""A regression whose answer is known, and the strategy of the job's TPU."""

import numpy as np
import tensorflow as tf

WEIGHTS = [[1.0], [2.0], [3.0], [4.0]]


def connect():
    """The TPU's strategy, as Cloud TPU's documentation makes it."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def read_dataset(rows, batch_size):
    """Numbers and their weighted sums; every batch has ``batch_size`` rows."""
    features = np.random.RandomState(0).rand(rows, 4).astype("float32")
    labels = features.dot(np.array(WEIGHTS, "float32"))
    dataset = tf.data.Dataset.from_tensor_slices((features, labels)).cache()
    return dataset.shuffle(rows, seed=1).batch(batch_size, drop_remainder=True).prefetch(1)


def build_model(learning_rate):
    inputs = tf.keras.Input(shape=(4,), name="numbers")
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="total")(inputs))
    model.compile(tf.keras.optimizers.SGD(learning_rate), loss="mse")
    return model
