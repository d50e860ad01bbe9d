"""The command line of the trainer: reads the arguments and starts this replica's part."""

import argparse

from trainer import model

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50, help="of each epoch")
    arguments = parser.parse_args()
    model.run(arguments.job_dir, arguments.epochs, arguments.steps)
