"""The command line of the trainer: boosts trees, and uploads what the service can serve."""

import argparse

import numpy as np
import xgboost
from google.cloud import storage

FILE = "model.bst"  # the name that prediction looks for


def rides(count, seed):
    """Kilometres, minutes and passengers of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count)
    minutes = 3.0 * km + random.gamma(2.0, 2.0, count)
    passengers = random.randint(1, 7, count)
    fare = 2.5 + 1.6 * km + 0.3 * minutes + random.normal(0.0, 0.5, count)
    return xgboost.DMatrix(np.column_stack([km, minutes, passengers]), label=fare)


def train(rounds, eta):
    """A fitted booster, and its error on rides that it has not seen."""
    errors = {}
    booster = xgboost.train(
        {"max_depth": 4, "eta": eta, "eval_metric": "rmse", "nthread": 1},
        rides(2000, seed=1),
        rounds,
        evals=[(rides(500, seed=2), "unseen")],
        evals_result=errors,
        verbose_eval=10,
    )
    return booster, errors["unseen"]["rmse"][-1]


def upload(name, folder):
    """Copies a local file into a gs:// folder."""
    bucket, _, path = folder[len("gs://") :].partition("/")
    blob = storage.Client().bucket(bucket).blob("{}/{}".format(path.rstrip("/"), name))
    blob.upload_from_filename(name)
    print("uploaded gs://{}/{}".format(bucket, blob.name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--eta", type=float, default=0.3)
    arguments = parser.parse_args()
    booster, rmse = train(arguments.rounds, arguments.eta)
    print("rmse: {:.3f}".format(rmse))
    booster.save_model(FILE)
    upload(FILE, arguments.job_dir.rstrip("/") + "/model")
