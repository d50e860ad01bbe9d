from trainer.lib import sums

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(sums.double(2))


if __name__ == "__main__":
    main()
