"""A regression on generated numbers whose variables live on parameter servers (TensorFlow 2)."""

import numpy as np
import tensorflow as tf

WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0], np.float32)


def dataset(_):
    x = np.random.RandomState(0).rand(1024, len(WEIGHTS)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((x, x.dot(WEIGHTS))).repeat().batch(32)


def build():
    inputs = tf.keras.Input((len(WEIGHTS),), name="x")
    hidden = tf.keras.layers.Dense(8, activation="relu")(inputs)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="y")(hidden))
    model.compile(tf.keras.optimizers.SGD(0.02), "mse", steps_per_execution=10)
    return model


def serve(resolver):
    """What a worker or a parameter server does until it is told to go."""
    server = tf.distribute.Server(
        resolver.cluster_spec(),
        job_name=resolver.task_type,
        task_index=resolver.task_id,
        protocol=resolver.rpc_layer or "grpc",
        start=True,
    )
    print("{} {} serves".format(resolver.task_type, resolver.task_id), flush=True)
    server.join()


def coordinate(resolver, job_dir, epochs, steps):
    strategy = tf.distribute.experimental.ParameterServerStrategy(resolver)
    with strategy.scope():
        model = build()
    places = sorted({variable.device.split("/replica")[0] for variable in model.variables})
    print("variables live on", ", ".join(places))
    data = tf.keras.utils.experimental.DatasetCreator(dataset)
    history = model.fit(data, epochs=epochs, steps_per_epoch=steps, verbose=2)
    losses = history.history["loss"]
    print("loss: {:.6f} after {:.6f}".format(losses[-1], losses[0]))
    if losses[-1] >= losses[0]:
        raise SystemExit("nothing was learnt")
    model.save(job_dir + "/export/1")
    print("exported to", job_dir + "/export/1")


def run(job_dir, epochs, steps):
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type in ("worker", "ps"):
        serve(resolver)
    else:
        coordinate(resolver, job_dir, epochs, steps)
