"""Runs until it is stopped, for tests that cancel, kill and adopt; counts while it waits."""

import argparse
import time

parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float, default=3600.0)
parser.add_argument("--every", type=float, default=0.1, help="seconds from tick to tick")
parser.add_argument("--job-dir")
arguments = parser.parse_args()
end = time.time() + arguments.seconds
count = 0
while time.time() < end:
    print("tick", count, flush=True)
    count += 1
    time.sleep(min(arguments.every, max(0.0, end - time.time())))
print("slept")
