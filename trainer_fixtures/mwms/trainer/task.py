"""The command line of the trainer: reads the arguments and starts the training."""

import argparse

from trainer import model

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=40, help="of each epoch")
    arguments = parser.parse_args()
    model.train(arguments.job_dir, arguments.epochs, arguments.steps)
