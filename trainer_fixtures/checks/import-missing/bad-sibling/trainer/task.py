import shared_sums

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(shared_sums.double(2))


if __name__ == "__main__":
    main()
