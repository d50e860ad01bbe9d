"""A small network with batch normalization and dropout; argv: steps per execution, policy."""

import sys

import numpy as np
import outcomes
import tensorflow as tf

resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
tf.config.experimental_connect_to_cluster(resolver)
tf.tpu.experimental.initialize_tpu_system(resolver)
strategy = tf.distribute.TPUStrategy(resolver)
tf.keras.mixed_precision.set_global_policy(sys.argv[2])
images = np.random.RandomState(0).rand(512, 8, 8, 1).astype("float32")
labels = (images.mean((1, 2, 3)) > 0.5).astype("int32")
dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(128, drop_remainder=True)
with strategy.scope():
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Conv2D(8, 3, input_shape=(8, 8, 1)),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.ReLU(),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dropout(0.1),
            tf.keras.layers.Dense(1, dtype="float32"),
        ]
    )
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("adam", loss, steps_per_execution=int(sys.argv[1]))
history = model.fit(dataset, epochs=2, verbose=0).history["loss"]
outcomes.report("finite", bool(np.isfinite(history + [model.evaluate(dataset, verbose=0)]).all()))
outcomes.report("predicted", list(model.predict(images[:37], batch_size=16, verbose=0).shape))
