"""The command line of the trainer: reads the arguments and starts the training."""

import argparse
import logging

from trainer import model


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-data-paths", required=True, help="glob of CSV files to learn from")
    parser.add_argument("--eval-data-paths", required=True, help="glob of CSV files to measure by")
    parser.add_argument("--output-dir", help="where everything is written; --job-dir if absent")
    parser.add_argument("--job-dir", help="given by the service")
    parser.add_argument("--train-steps", type=int, default=400)
    parser.add_argument("--train-batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument(
        "--hidden-units",
        type=int,
        nargs="+",
        default=[32, 8],
        help="neurons of each hidden layer",
    )
    arguments = parser.parse_args(argv)
    arguments.output_dir = arguments.output_dir or arguments.job_dir
    if not arguments.output_dir:
        parser.error("one of --output-dir and --job-dir is needed")
    return arguments


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    model.train_and_evaluate(parse_arguments())
