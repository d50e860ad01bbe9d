import json
import os

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    task = json.loads(os.environ["TF_CONFIG"])["task"]
    if task["type"] == "master":
        print("export")


if __name__ == "__main__":
    main()
