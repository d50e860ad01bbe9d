import os

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    with open(os.path.join(os.path.dirname(__file__), "vocab.txt")) as file:
        print(file.read())


if __name__ == "__main__":
    main()
