from datetime import UTC, datetime

import msgspec

from emulator import resources
from emulator.resources import (
    Job,
    Operation,
    OperationMetadata,
    Status,
    TrainingInput,
    TrainingOutput,
    Version,
)

NOW = datetime(2017, 3, 21, 18, 12, 44, tzinfo=UTC)


def test_encodes_by_the_published_conventions() -> None:
    job = Job(
        job_id="j",
        training_input=TrainingInput(worker_count=5, args=("a",)),
        training_output=TrainingOutput(consumed_ml_units=1.67, completed_trial_count=2),
        create_time=NOW,
        etag=b"\xff",
    )
    assert resources.encode(job) == {
        "jobId": "j",
        "trainingInput": {"workerCount": "5", "args": ["a"]},
        "trainingOutput": {"consumedMLUnits": 1.67, "completedTrialCount": "2"},
        "createTime": "2017-03-21T18:12:44Z",
        "etag": "/w==",
    }


def test_a_stored_resource_reads_back() -> None:
    job = Job(job_id="j", training_input=TrainingInput(worker_count=5), create_time=NOW, etag=b"x")
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job


def test_a_running_operation_is_not_done() -> None:
    metadata = OperationMetadata(operation_type="CREATE_VERSION", project_number=7)
    found = resources.encode(Operation(name="projects/p/operations/o", metadata=metadata))
    assert found == {
        "name": "projects/p/operations/o",
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.ml.v1.OperationMetadata",
            "operationType": "CREATE_VERSION",
            "projectNumber": "7",
        },
    }


def test_a_done_operation_has_a_response_or_an_error() -> None:
    version = Version(name="v", state="READY")
    done = resources.encode(Operation(name="o", done=True, response=version))
    assert done["response"] == {
        "@type": "type.googleapis.com/google.cloud.ml.v1.Version",
        "name": "v",
        "state": "READY",
    }
    failed = Operation(name="o", done=True, error=Status(code=9, message="no"))
    assert resources.encode(failed) == {
        "name": "o",
        "done": True,
        "error": {"code": 9, "message": "no"},
    }
    empty = resources.encode(Operation(name="o", done=True))
    assert empty["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
