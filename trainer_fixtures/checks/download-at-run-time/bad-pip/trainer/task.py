import subprocess

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    subprocess.check_call(["pip install", "lightgbm"])


if __name__ == "__main__":
    main()
