"""A trainer in an image of its own: prints its place, learns a slope, reports how well."""

import argparse
import json
import os
import time

METRIC_FILE = "/tmp/hypertune/output.metrics"  # where cloudml-hypertune writes by itself


def report(tag, value, step):
    """What ``hypertune.HyperTune().report_hyperparameter_tuning_metric`` writes."""
    path = os.environ.get("CLOUD_ML_HP_METRIC_FILE") or METRIC_FILE
    metric = {
        "timestamp": time.time(),
        "trial": os.environ.get("CLOUD_ML_TRIAL_ID", ""),
        tag: str(float(value)),
        "global_step": str(step),
        "checkpoint_path": "",
    }
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(json.dumps(metric, sort_keys=True) + "\n")
    print("reported", tag, "to", path)


def train(steps, learning_rate):
    pairs = [(x / 10.0, 3 * x / 10.0) for x in range(10)]
    slope = loss = 0.0
    for _ in range(steps):
        slope -= learning_rate * sum(2 * x * (slope * x - y) for x, y in pairs) / len(pairs)
        loss = sum((slope * x - y) ** 2 for x, y in pairs) / len(pairs)
    print("slope {:.3f}, loss {:.6f}".format(slope, loss))
    return loss


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--job-dir")
    arguments = parser.parse_args()
    print("arguments:", json.dumps(vars(arguments), sort_keys=True))
    print("CLUSTER_SPEC:", os.environ["CLUSTER_SPEC"])
    print("TF_CONFIG:", os.environ["TF_CONFIG"])
    print("image:", open("/app/made-by").read().strip())
    report("loss", train(arguments.steps, arguments.learning_rate), arguments.steps)
