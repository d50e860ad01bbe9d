import joblib

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    joblib.dump({}, "model.joblib")


if __name__ == "__main__":
    main()
