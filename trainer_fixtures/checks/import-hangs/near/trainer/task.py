import time

time.sleep(0.2)

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
