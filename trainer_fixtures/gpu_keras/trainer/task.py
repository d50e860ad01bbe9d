"""Insists on a GPU, lets its memory grow, and trains one replica on each."""

import argparse
import logging

import numpy as np
import tensorflow as tf


def mirrored():
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise SystemExit("no GPU found")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    with tf.device("/GPU:0"):
        logging.info("trace on the first GPU: %d", tf.linalg.trace(tf.eye(4)))
    return tf.distribute.MirroredStrategy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    arguments = parser.parse_args()

    strategy = mirrored()
    logging.info("%d GPU, %s", strategy.num_replicas_in_sync, tf.test.gpu_device_name())
    features = np.random.RandomState(0).rand(512, 4).astype("float32")
    with strategy.scope():
        layer = tf.keras.layers.Dense(1, name="total", input_shape=(4,))
        model = tf.keras.Sequential([layer])
        model.compile(tf.keras.optimizers.SGD(0.3), loss="mse")
    history = model.fit(
        features,
        features.sum(axis=1, keepdims=True),
        batch_size=64 * strategy.num_replicas_in_sync,
        epochs=5,
        verbose=0,
    ).history["loss"]
    if not history[-1] < history[0] / 10:
        raise SystemExit("did not learn: {}".format(history))
    model.save("{}/export/1".format(arguments.job_dir.rstrip("/")))
    logging.info("exported to %s", arguments.job_dir)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
