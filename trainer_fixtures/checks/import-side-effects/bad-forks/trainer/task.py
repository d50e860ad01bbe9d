import os

if os.fork() == 0:
    os._exit(0)

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(args.job_dir)


if __name__ == "__main__":
    main()
