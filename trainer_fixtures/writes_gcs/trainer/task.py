"""Reads and writes gs:// as trainers do, with TensorFlow's own file system."""

import argparse

import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir", required=True)
folder = parser.parse_args().job_dir.rstrip("/")

with tf.io.gfile.GFile(folder + "/deep/er/note.txt", "w") as file:
    file.write("written by the trainer\n")
with tf.io.gfile.GFile(folder + "/deep/er/note.txt") as file:
    print("read back:", file.read().strip())
tf.io.gfile.rename(folder + "/deep/er/note.txt", folder + "/deep/er/renamed.txt")
print("listed:", tf.io.gfile.glob(folder + "/deep/er/*"))
print("old name there:", tf.io.gfile.exists(folder + "/deep/er/note.txt"))
