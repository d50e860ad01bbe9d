"""Trains a TPUEstimator, evaluates it, and exports it to the job's directory."""

import argparse

import tensorflow as tf
from tensorflow.contrib import tpu

from trainer import model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--train-steps", type=int, default=200)
    arguments = parser.parse_args()

    tf.logging.set_verbosity(tf.logging.INFO)
    resolver = tf.contrib.cluster_resolver.TPUClusterResolver()
    config = tpu.RunConfig(
        cluster=resolver,
        model_dir=arguments.job_dir,
        save_checkpoints_steps=arguments.train_steps,
        tpu_config=tpu.TPUConfig(iterations_per_loop=50),
    )
    estimator = tpu.TPUEstimator(
        model.model_fn,
        config=config,
        params={"learning_rate": 0.3},
        train_batch_size=128,
        eval_batch_size=128,
        export_to_tpu=False,
    )
    estimator.train(model.input_fn, max_steps=arguments.train_steps)
    measured = estimator.evaluate(model.input_fn, steps=4)
    if not measured["mae"] < 0.2:
        raise SystemExit("did not learn: {}".format(measured))
    tf.logging.info("learned: mean absolute error below 0.2")
    estimator.export_saved_model(
        arguments.job_dir.rstrip("/") + "/export", model.serving_input_fn
    )
    tf.logging.info("exported to %s", arguments.job_dir)


if __name__ == "__main__":
    main()
