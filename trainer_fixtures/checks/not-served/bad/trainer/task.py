import argparse
import io

import joblib
from google.cloud import storage
from sklearn.linear_model import LinearRegression


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    args = parser.parse_args()
    model = LinearRegression().fit([[1.0], [2.0], [3.0]], [5.0, 7.5, 10.0])
    content = io.BytesIO()
    joblib.dump(model, content)
    bucket, _, name = args.job_dir[len("gs://") :].partition("/")
    blob = storage.Client().bucket(bucket).blob(name + "/model.joblib")
    blob.upload_from_string(content.getvalue())


if __name__ == "__main__":
    main()
