import hypertune

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--train-steps", type=int)
    args = parser.parse_args()
    print(args.learning_rate)
    hypertune.HyperTune().report_hyperparameter_tuning_metric("rmse", 1.0)


if __name__ == "__main__":
    main()
