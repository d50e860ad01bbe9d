from trainer.lib.sums import double

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(double(2))


if __name__ == "__main__":
    main()
