import os

import numpy as np

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    import tensorflow as tf

    with tf.io.gfile.GFile(os.path.join(args.job_dir, "x"), "w") as file:
        np.savetxt(file, [1.0])


if __name__ == "__main__":
    main()
