"""Fits a Keras model with one set of hyperparameters; its callback writes the metric."""

import argparse

import numpy as np
import tensorflow as tf


def rides(count, seed):
    """Kilometres and minutes of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count)
    minutes = 3.0 * km + random.gamma(2.0, 2.0, count)
    return np.column_stack([km / 10.0, minutes / 30.0]), 2.5 + 1.6 * km + 0.3 * minutes


def build(learning_rate):
    layers = [
        tf.keras.layers.Dense(16, activation="relu", input_shape=(2,)),
        tf.keras.layers.Dense(1, name="fare"),
    ]
    model = tf.keras.Sequential(layers)
    model.compile(tf.keras.optimizers.Adam(learning_rate), "mse", metrics=["mae"])
    return model


def train(arguments):
    model = build(arguments.learning_rate)
    # Writes epoch_loss and epoch_mae, of the training below train/ and of unseen rides below
    # validation/: the tag is the same in both, and never epoch_val_mae.
    summaries = tf.keras.callbacks.TensorBoard(arguments.job_dir, profile_batch=0)
    inputs, fares = rides(2000, seed=1)
    model.fit(
        inputs,
        fares,
        epochs=arguments.epochs,
        validation_data=rides(500, seed=2),
        callbacks=[summaries],
        verbose=2,
    )
    path = arguments.job_dir + "/export/1"
    model.save(path)
    print("exported to", path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=0.01, help="the hyperparameter")
    train(parser.parse_args())
