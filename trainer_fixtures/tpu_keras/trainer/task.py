"""Trains with Keras on the cores of a TPU, evaluates, and exports to the job's directory."""

import argparse
import logging

import tensorflow as tf

from trainer import model as lib


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--batch-size-per-core", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()

    tf.random.set_seed(1)
    strategy = lib.connect()
    batch_size = arguments.batch_size_per_core * strategy.num_replicas_in_sync
    logging.info("%d cores, batches of %d", strategy.num_replicas_in_sync, batch_size)
    with strategy.scope():
        model = lib.build_model(learning_rate=0.2)
    dataset = lib.read_dataset(rows=4 * batch_size, batch_size=batch_size)
    history = model.fit(dataset, epochs=arguments.epochs, verbose=0).history["loss"]
    if not history[-1] < history[0] / 2:
        raise SystemExit("did not learn: {}".format(history))
    logging.info("learned: loss below half of the first epoch's")
    logging.info("evaluation: loss = %.4f", model.evaluate(dataset, verbose=0))
    model.save("{}/export/1".format(arguments.job_dir.rstrip("/")))
    logging.info("exported to %s", arguments.job_dir)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
