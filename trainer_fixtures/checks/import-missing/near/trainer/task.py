from common import sums

from .lib.sums import double

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(sums.double(2), double(3))


if __name__ == "__main__":
    main()
