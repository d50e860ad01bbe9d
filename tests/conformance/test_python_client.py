"""google-api-python-client, unchanged, drives the whole way: train, deploy, predict."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.packaging import build
from emulator.shipped import folder

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]

DRIVER = """
import sys, time
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery, errors

url, project, package, model_dir, source = sys.argv[1:]
options = {"credentials": AnonymousCredentials(), "client_options": {"api_endpoint": url}}
if source == "served":
    options |= {
        "discoveryServiceUrl": url + "/discovery/v1/apis/ml/v1/rest",
        "static_discovery": False,
    }
ml = discovery.build("ml", "v1", cache_discovery=False, **options)
projects, parent = ml.projects(), f"projects/{project}"
job_id = f"by_{source}"

body = {
    "jobId": job_id,
    "trainingInput": {
        "scaleTier": "BASIC",
        "packageUris": [package],
        "pythonModule": "trainer.task",
        "region": "us-central1",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
    },
}
created = projects.jobs().create(parent=parent, body=body).execute()
assert created["state"] == "QUEUED", created
try:
    projects.jobs().create(parent=parent, body=body).execute()
except errors.HttpError as error:
    assert error.status_code == 409
    assert error.reason == "Field: job.job_id Error: A job with this id already exists."
else:
    raise SystemExit("the same id was taken twice")
name = f"{parent}/jobs/{job_id}"
deadline = time.monotonic() + 120
while not (job := projects.jobs().get(name=name).execute()).get("endTime"):
    assert time.monotonic() < deadline, job
    time.sleep(0.1)
assert job["state"] == "SUCCEEDED", job
listed = projects.jobs().list(parent=parent, filter=f"jobId:{job_id[:5]}*").execute()
assert [found["jobId"] for found in listed["jobs"]] == [job_id]
patched = projects.jobs().patch(name=name, updateMask="labels", body={"labels": {"a": "b"}})
assert patched.execute()["labels"] == {"a": "b"}

model_id = f"model_{source}"
model = f"{parent}/models/{model_id}"
projects.models().create(parent=parent, body={"name": model_id}).execute()
operation = projects.models().versions().create(
    parent=model,
    body={
        "name": "v1",
        "deploymentUri": model_dir,
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
        "framework": "TENSORFLOW",
    },
).execute()
deadline = time.monotonic() + 120
while not operation.get("done"):
    assert time.monotonic() < deadline, operation
    time.sleep(0.1)
    operation = projects.operations().get(name=operation["name"]).execute()
assert "error" not in operation, operation
assert operation["response"]["name"] == "v1"
assert projects.models().get(name=model).execute()["defaultVersion"]["isDefault"]
answer = projects.predict(name=model, body={"instances": [{"x": 1.0}, {"x": 4.0}]}).execute()
assert answer == {"predictions": [{"y": 2.5}, {"y": 4.0}]}, answer
projects.models().versions().delete(name=f"{model}/versions/v1").execute()
ml.close()
"""


@pytest.mark.parametrize("source", ["bundled", "served"])
def test_train_deploy_predict(
    cmle_engine: Emulator, cmle_bucket: str, half_plus_two: Path, tmp_path: Path, source: str
) -> None:
    with cmle_engine.client() as client:
        (package,) = build(folder("trainer_fixtures") / "prints" / "trainer", tmp_path)
        client.storage.upload(f"gs://{cmle_bucket}/{package.name}", package)
        client.storage.upload_folder(f"gs://{cmle_bucket}/model", half_plus_two)
    driven = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", DRIVER, cmle_engine.url, cmle_engine.project),
            *(f"gs://{cmle_bucket}/{package.name}", f"gs://{cmle_bucket}/model", source),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_GCE_CHECK": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert driven.returncode == 0, driven.stderr[-3000:]
