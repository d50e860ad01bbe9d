"""Does to gs:// what trainers do, by TensorFlow's own file system, a group after the other.

Each group works in a folder of its own below --job-dir and prints one line when all of it
was as it has to be; the first surprise ends the job with its traceback. The same code runs
with TensorFlow 1.15 and 2.
"""

import argparse

import tensorflow as tf

from trainer import datasets, files, folders, large, models, names

GROUPS = names.GROUPS + files.GROUPS + folders.GROUPS + datasets.GROUPS + models.GROUPS
GROUPS += large.GROUPS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--only", default="", help="groups to run, with commas; all without")
    arguments = parser.parse_args()
    job_dir = arguments.job_dir.rstrip("/")
    only = [name for name in arguments.only.split(",") if name]
    tf.compat.v1.enable_eager_execution()
    print("TensorFlow", tf.__version__)
    done = 0
    for name, work in GROUPS:
        if not only or name in only:
            work(job_dir)
            print("ok", name, flush=True)
            done += 1
    print(done, "groups")


if __name__ == "__main__":
    main()
