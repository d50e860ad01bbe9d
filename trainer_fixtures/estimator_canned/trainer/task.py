"""The command line of the trainer: reads the arguments and starts the training."""

import argparse

from trainer import model

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--train-steps", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=0.01, help="the hyperparameter")
    model.train_and_evaluate(parser.parse_args())
