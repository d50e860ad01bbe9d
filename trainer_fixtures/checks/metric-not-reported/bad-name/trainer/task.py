import hypertune

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--learning-rate", type=float)
    args = parser.parse_args()
    print(args.learning_rate)
    hypertune.HyperTune().report_hyperparameter_tuning_metric("mse", 1.0)


if __name__ == "__main__":
    main()
