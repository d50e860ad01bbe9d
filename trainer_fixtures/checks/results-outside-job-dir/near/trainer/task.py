import subprocess

import joblib

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    joblib.dump({}, "model.joblib")
    subprocess.check_call(["gsutil", "cp", "model.joblib", args.job_dir])


if __name__ == "__main__":
    main()
