"""Fits a line with an Estimator, whose checkpoints in the job's folder outlive its machine."""

import argparse

import tensorflow as tf

from trainer import model

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--train-steps", type=int, default=300)
    parser.add_argument("--checkpoint-steps", type=int, default=100)
    arguments = parser.parse_args()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)
    config = tf.estimator.RunConfig(
        model_dir=arguments.job_dir,
        save_checkpoints_steps=arguments.checkpoint_steps,
        log_step_count_steps=10,
        tf_random_seed=1,
    )
    estimator = tf.estimator.Estimator(model.line, config=config)
    estimator.train(model.points, max_steps=arguments.train_steps)
    print("trained to step", estimator.get_variable_value("global_step"))
