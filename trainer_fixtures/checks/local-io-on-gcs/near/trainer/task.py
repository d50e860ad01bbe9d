import os
import tempfile

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    if args.job_dir.startswith("gs://"):
        print("remote")
    else:
        open(args.job_dir).close()
    with tempfile.NamedTemporaryFile("w") as file:
        print(os.path.basename(args.job_dir), file=file)
        open(file.name).close()


if __name__ == "__main__":
    main()
