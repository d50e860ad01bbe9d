"""Runs until it is stopped, for tests that cancel, kill and adopt; counts while it waits."""

import argparse
import time

parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float, default=3600.0)
parser.add_argument("--job-dir")
seconds = parser.parse_args().seconds
end = time.time() + seconds
count = 0
while time.time() < end:
    print("tick", count, flush=True)
    count += 1
    time.sleep(min(0.1, max(0.0, end - time.time())))
print("slept")
