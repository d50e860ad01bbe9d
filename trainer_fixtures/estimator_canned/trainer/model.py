"""A canned estimator of fares, with one metric more (TensorFlow 1.15)."""

import numpy as np
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)

COLUMNS = [
    tf.feature_column.numeric_column("km", normalizer_fn=lambda km: km / 10.0),
    tf.feature_column.numeric_column("minutes", normalizer_fn=lambda minutes: minutes / 30.0),
]


def rides(count, seed):
    """Kilometres and minutes of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count).astype(np.float32)
    minutes = (3.0 * km + random.gamma(2.0, 2.0, count)).astype(np.float32)
    fare = 2.5 + 1.6 * km + 0.3 * minutes
    return tf.data.Dataset.from_tensor_slices(({"km": km, "minutes": minutes}, fare))


def rmse(labels, predictions):
    """The metric that is tuned: its name becomes the tag in the evaluation's summaries."""
    values = predictions["predictions"]
    labels = tf.reshape(labels, tf.shape(values))
    return {"rmse": tf.compat.v1.metrics.root_mean_squared_error(labels, values)}


def serving_input():
    names = [column.key for column in COLUMNS]
    received = {name: tf.compat.v1.placeholder(tf.float32, [None], name) for name in names}
    return tf.estimator.export.ServingInputReceiver(received, received)


def train_and_evaluate(arguments):
    config = tf.estimator.RunConfig(
        model_dir=arguments.job_dir,
        tf_random_seed=1,
        log_step_count_steps=100,
        save_checkpoints_steps=arguments.train_steps,
    )
    estimator = tf.estimator.DNNRegressor(
        [16],
        COLUMNS,
        optimizer=tf.compat.v1.train.AdamOptimizer(arguments.learning_rate),
        config=config,
    )
    estimator = tf.estimator.add_metrics(estimator, rmse)
    train = tf.estimator.TrainSpec(
        lambda: rides(2000, seed=1).shuffle(2000, seed=1).repeat().batch(32),
        max_steps=arguments.train_steps,
    )
    evaluate = tf.estimator.EvalSpec(
        lambda: rides(500, seed=2).batch(500),
        exporters=tf.estimator.LatestExporter("exporter", serving_input),
        start_delay_secs=0,
        throttle_secs=0,
    )
    tf.estimator.train_and_evaluate(estimator, train, evaluate)
