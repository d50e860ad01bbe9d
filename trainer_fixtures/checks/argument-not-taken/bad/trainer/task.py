import hypertune

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--rate", type=float)
    args = parser.parse_args()
    print(args.rate)
    hypertune.HyperTune().report_hyperparameter_tuning_metric("rmse", 1.0)


if __name__ == "__main__":
    main()
