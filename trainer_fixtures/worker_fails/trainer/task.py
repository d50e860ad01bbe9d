"""The second worker gives up; the others would go on for ever."""

import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
parser.parse_args()

task = json.loads(os.environ["TF_CONFIG"])["task"]
print("this is {type} {index}".format(**task), flush=True)
if (task["type"], task["index"]) == ("worker", 1):
    print("worker 1 gives up")
    sys.exit(3)
time.sleep(3600)
print("never printed")
