"""The command line of the trainer: trains, and uploads what the service can serve."""

import argparse

import joblib
from google.cloud import storage

from trainer import model

FILE = "model.joblib"  # the name that prediction looks for


def upload(name, folder):
    """Copies a local file into a gs:// folder."""
    bucket, _, path = folder[len("gs://") :].partition("/")
    blob = storage.Client().bucket(bucket).blob("{}/{}".format(path.rstrip("/"), name))
    blob.upload_from_filename(name)
    print("uploaded gs://{}/{}".format(bucket, blob.name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--trees", type=int, default=20)
    arguments = parser.parse_args()
    pipeline, rmse = model.train(arguments.trees)
    print("rmse: {:.3f}".format(rmse))
    joblib.dump(pipeline, FILE)
    upload(FILE, arguments.job_dir.rstrip("/") + "/model")
