"""A regression on generated numbers, mirrored on several workers (TensorFlow 2, Keras)."""

import json
import os

import numpy as np
import tensorflow as tf

WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
BATCH_PER_WORKER = 16


def dataset(batch_size):
    x = np.random.RandomState(0).rand(1024, len(WEIGHTS)).astype(np.float32)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    pairs = tf.data.Dataset.from_tensor_slices((x, x.dot(WEIGHTS)))
    return pairs.repeat().batch(batch_size).with_options(options)


def build():
    inputs = tf.keras.Input((len(WEIGHTS),), name="x")
    hidden = tf.keras.layers.Dense(8, activation="relu")(inputs)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="y")(hidden))
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    return model


def is_chief():
    return json.loads(os.environ["TF_CONFIG"])["task"]["type"] == "chief"


def train(job_dir, epochs, steps):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    print("replicas in sync:", strategy.num_replicas_in_sync, flush=True)
    with strategy.scope():
        model = build()
    batch_size = BATCH_PER_WORKER * strategy.num_replicas_in_sync
    history = model.fit(dataset(batch_size), epochs=epochs, steps_per_epoch=steps, verbose=2)
    losses = history.history["loss"]
    print("loss: {:.6f} after {:.6f}".format(losses[-1], losses[0]))
    if losses[-1] >= losses[0]:
        raise SystemExit("nothing was learnt")
    # Every worker has to save, for saving may take all of them; only the chief's copy counts.
    local = "worker-{}".format(os.getpid())
    model.save(job_dir + "/export/1" if is_chief() else local)
    if is_chief():
        print("exported to", job_dir + "/export/1")
