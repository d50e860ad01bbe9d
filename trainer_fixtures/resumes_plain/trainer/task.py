"""Counts its steps and keeps the count in the job's folder: started again, it goes on from there."""

import argparse
import time

from google.cloud import storage

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir", required=True)
parser.add_argument("--steps", type=int, default=90)
parser.add_argument("--step-seconds", type=float, default=0.02)
parser.add_argument("--checkpoint-steps", type=int, default=20, help="0: it keeps nothing")
arguments = parser.parse_args()

bucket, _, folder = arguments.job_dir[len("gs://") :].partition("/")
checkpoint = storage.Client().bucket(bucket).blob(folder + "/step")

first = 0
if arguments.checkpoint_steps and checkpoint.exists():
    first = int(checkpoint.download_as_string())
    print("resuming from the checkpoint of step", first, flush=True)
else:
    print("starting from scratch", flush=True)
for step in range(first + 1, arguments.steps + 1):
    time.sleep(arguments.step_seconds)
    print("loss = {:.4f}, step = {}".format(1 / step, step), flush=True)
    if arguments.checkpoint_steps and step % arguments.checkpoint_steps == 0:
        checkpoint.upload_from_string(str(step))
print("trained to step", arguments.steps)
