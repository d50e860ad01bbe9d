"""A regression on generated numbers (TensorFlow 1.15, estimator)."""

import json
import os

import numpy as np
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)

WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
COLUMNS = [tf.feature_column.numeric_column("x", (len(WEIGHTS),))]


def dataset(seed):
    x = np.random.RandomState(seed).rand(1024, len(WEIGHTS)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, x.dot(WEIGHTS)))


def serving_input():
    x = tf.compat.v1.placeholder(tf.float32, [None, len(WEIGHTS)], "x")
    return tf.estimator.export.ServingInputReceiver({"x": x}, {"x": x})


def call_the_master_chief():
    """Estimators take an evaluator beside a chief only, and this runtime says master."""
    config = json.loads(os.environ["TF_CONFIG"])
    cluster, task = config["cluster"], config["task"]
    if "master" in cluster:
        cluster["chief"] = cluster.pop("master")
    if task["type"] == "master":
        task["type"] = "chief"
    os.environ["TF_CONFIG"] = json.dumps(config)


def train_and_evaluate(arguments):
    if arguments.separate_evaluator:
        call_the_master_chief()
    config = tf.estimator.RunConfig(
        model_dir=arguments.job_dir,
        save_checkpoints_steps=arguments.train_steps,
        log_step_count_steps=100,
        experimental_max_worker_delay_secs=1,
    )
    print(
        "{} {} of {} workers and {} parameter servers".format(
            config.task_type,
            config.task_id,
            config.num_worker_replicas,
            config.num_ps_replicas,
        ),
        flush=True,
    )
    estimator = tf.estimator.DNNRegressor([8], COLUMNS, optimizer="Adam", config=config)
    train = tf.estimator.TrainSpec(
        lambda: dataset(config.task_id).shuffle(1024, seed=1).repeat().batch(32),
        max_steps=arguments.train_steps,
    )
    evaluate = tf.estimator.EvalSpec(
        lambda: dataset(99).batch(128),
        steps=4,
        exporters=tf.estimator.FinalExporter("exporter", serving_input),
        start_delay_secs=0,
        throttle_secs=0,
    )
    tf.estimator.train_and_evaluate(estimator, train, evaluate)
    print("{} {} has done its part".format(config.task_type, config.task_id))
