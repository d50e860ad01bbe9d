from numpy import no_such_name

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(no_such_name)


if __name__ == "__main__":
    main()
