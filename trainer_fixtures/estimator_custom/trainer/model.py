"""An estimator of fares with a model function of its own (TensorFlow 1.15)."""

import numpy as np
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)

METRIC = "training/hptuning/metric"  # what the service looks for when the job names no other


def rides(count, seed):
    """Kilometres and minutes of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count).astype(np.float32)
    minutes = (3.0 * km + random.gamma(2.0, 2.0, count)).astype(np.float32)
    fare = 2.5 + 1.6 * km + 0.3 * minutes
    return tf.data.Dataset.from_tensor_slices(({"km": km, "minutes": minutes}, fare))


def model_function(features, labels, mode, params):
    net = tf.stack([features["km"] / 10.0, features["minutes"] / 30.0], axis=1)
    net = tf.compat.v1.layers.dense(net, params["hidden_units"], activation=tf.nn.relu)
    fares = tf.squeeze(tf.compat.v1.layers.dense(net, 1), axis=1)
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {"fare": fares}
        serving = {"serving_default": tf.estimator.export.PredictOutput(outputs)}
        return tf.estimator.EstimatorSpec(mode, predictions=outputs, export_outputs=serving)
    loss = tf.compat.v1.losses.mean_squared_error(labels, fares)
    error = tf.compat.v1.metrics.mean_absolute_error(labels, fares)
    step = tf.compat.v1.train.get_or_create_global_step()
    return tf.estimator.EstimatorSpec(
        mode,
        loss=loss,
        train_op=tf.compat.v1.train.AdamOptimizer(0.01).minimize(loss, global_step=step),
        eval_metric_ops={METRIC: error},
    )


def serving_input():
    names = ("km", "minutes")
    received = {name: tf.compat.v1.placeholder(tf.float32, [None], name) for name in names}
    return tf.estimator.export.ServingInputReceiver(received, received)


def train_and_evaluate(arguments):
    config = tf.estimator.RunConfig(
        tf_random_seed=1,
        log_step_count_steps=100,
        save_checkpoints_steps=arguments.train_steps,
    )
    params = {"hidden_units": arguments.hidden_units}
    estimator = tf.estimator.Estimator(model_function, arguments.job_dir, config, params)
    train = tf.estimator.TrainSpec(
        lambda: rides(2000, seed=1).shuffle(2000, seed=1).repeat().batch(32),
        max_steps=arguments.train_steps,
    )
    evaluate = tf.estimator.EvalSpec(
        lambda: rides(500, seed=2).batch(500), start_delay_secs=0, throttle_secs=0
    )
    tf.estimator.train_and_evaluate(estimator, train, evaluate)
    path = estimator.export_saved_model(arguments.job_dir + "/export", serving_input)
    print("exported to", path.decode())
