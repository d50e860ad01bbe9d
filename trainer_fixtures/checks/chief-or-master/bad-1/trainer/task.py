import json
import os

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]
    print(cluster["chief"])


if __name__ == "__main__":
    main()
