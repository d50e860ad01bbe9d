"""Parses strictly: a flag that it does not know ends it with status 2."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
parser.add_argument("--train-steps", type=int, default=1)
print(parser.parse_args())
