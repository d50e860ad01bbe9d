from collections.abc import Callable
from typing import Any

import httpx
import pytest

from emulator.testing import (
    Fault,
    PredictionError,
    fake_service,
    intercept,
    internal,
    table,
    unavailable,
)

Call = Callable[..., dict[str, Any]]
MODEL = "projects/p1/models/census"
VERSION = {
    "name": "v1",
    "deploymentUri": "gs://models/census",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
    "framework": "TENSORFLOW",
}


def create(call: Call, **version: str) -> str:
    """The operation that creates a version of a new model."""
    call("POST", "projects/p1/models", {"name": "census", "regions": ["us-central1"]})
    operation = call("POST", f"{MODEL}/versions", {**VERSION, **version})
    assert "name" in operation, operation
    return str(operation["name"])


def finish(call: Call, operation: str) -> dict[str, Any]:
    looks = (call("GET", operation) for _ in range(10))
    return next(found for found in looks if found.get("done"))


@pytest.mark.parametrize("polls", [1, 3, 5])
def test_an_operation_takes_as_many_looks_as_it_should(call: Call, polls: int) -> None:
    with intercept(fake_service(operation_polls=polls)):
        operation = create(call)
        assert call("GET", f"{MODEL}/versions/v1")["state"] == "CREATING"
        looks = [call("GET", operation).get("done", False) for _ in range(polls + 1)]
        assert looks == [False] * (polls - 1) + [True, True]
        version = call("GET", f"{MODEL}/versions/v1")
        assert (version["state"], version["isDefault"]) == ("READY", True)


def test_time_alone_ends_an_operation_too(call: Call) -> None:
    with intercept(fake_service(poll_s=0.0, start=1_700_000_000)) as cloud:
        operation = create(call)
        assert call("GET", operation)["done"]  # it takes three looks of no time
    with intercept(fake_service(operation_polls=6, start=1_700_000_000)) as cloud:
        operation = create(call)
        cloud.clock.advance(3_600)
        found = call("GET", operation)
        assert found["done"]
        assert found["metadata"]["endTime"] == "2023-11-14T22:14:20Z"


def test_a_creation_fails_with_its_text(call: Call) -> None:
    text = "Bad model detected with error: no signature"
    with intercept(fake_service(version_errors={"census/v*": text}, operation_polls=1)):
        operation = create(call)
        failed = finish(call, operation)
        assert failed["error"] == {"code": 9, "message": f"Create Version failed. {text}"}
        version = call("GET", f"{MODEL}/versions/v1")
        assert version["state"] == "FAILED"
        assert version["errorMessage"] == failed["error"]["message"]


def test_a_version_is_deleted_in_time(call: Call) -> None:
    with intercept():
        finish(call, create(call))
        gone = finish(call, call("DELETE", f"{MODEL}/versions/v1")["name"])
        assert gone["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
        assert call("GET", f"{MODEL}/versions") == {}


def test_a_cancelled_creation_fails(call: Call) -> None:
    with intercept():
        operation = create(call)
        assert call("POST", f"{operation}:cancel", {}) == {}
        found = finish(call, operation)
        assert found["error"]["code"] == 1


def test_a_block_may_end_while_operations_go_on(call: Call) -> None:
    with intercept():
        create(call)


def predict(call: Call, *instances: Any, name: str = MODEL) -> dict[str, Any]:
    return call("POST", f"{name}:predict", {"instances": list(instances)})


def test_predicts_by_a_function(call: Call) -> None:
    script = fake_service(predictions=lambda instances: [{"y": each * 2} for each in instances])
    with intercept(script):
        finish(call, create(call))
        assert predict(call, 1, 2.5) == {"predictions": [{"y": 2}, {"y": 5.0}]}
        assert predict(call, name=f"{MODEL}/versions/v1") == {"predictions": []}


def test_predicts_by_a_table(call: Call) -> None:
    rows = table([({"a": 1, "b": 2}, "yes"), ({"a": 2}, "no")])
    with intercept(fake_service(predictions={"census": rows})):
        finish(call, create(call))
        assert predict(call, {"b": 2, "a": 1}) == {"predictions": ["yes"]}
        assert predict(call, {"a": 2}, {"a": 3}) == {
            "error": "Prediction failed: Input mismatch: no row for {'a': 3}"
        }


def test_the_version_that_is_named_predicts(call: Call) -> None:
    script = fake_service(
        predictions={
            "census/v1": lambda instances: ["one"] * len(instances),
            "census": lambda instances: ["other"] * len(instances),
        }
    )
    with intercept(script):
        finish(call, create(call))
        finish(call, call("POST", f"{MODEL}/versions", {**VERSION, "name": "v2"})["name"])
        assert predict(call, 0) == {"predictions": ["one"]}
        assert predict(call, 0, name=f"{MODEL}/versions/v2") == {"predictions": ["other"]}


def test_a_script_can_refuse(call: Call) -> None:
    def refuse(instances: list[Any]) -> list[Any]:
        raise PredictionError("no GPU") if instances else unavailable()

    with intercept(fake_service(predictions=refuse)):
        finish(call, create(call))
        assert predict(call, 1) == {"error": "Prediction failed: no GPU"}
        assert predict(call)["error"]["status"] == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Invalid JSON payload received."),
        (b"[]", "The request is not an object."),
        (b'{"instances": 1}', 'Missing "instances" field in request body.'),
    ],
)
def test_bad_requests_are_refused(call: Call, body: bytes, message: str) -> None:
    with intercept(fake_service(predictions=lambda instances: instances)):
        finish(call, create(call))
        url = f"https://ml.googleapis.com/v1/{MODEL}:predict"
        answer = httpx.post(url, content=body)
        assert answer.status_code == 400
        assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (lambda instances: [1 / 0 for _ in instances], "ZeroDivisionError"),
        (lambda _: [1, 2, 3], "answered 3 predictions to 1 instances"),
    ],
)
def test_a_broken_script_fails_the_test(
    call: Call, script: Callable[[list[Any]], list[Any]], why: str
) -> None:
    def run() -> None:
        with intercept(fake_service(predictions=script)):
            finish(call, create(call))
            predict(call, 1)

    with pytest.raises(AssertionError, match=why):
        run()


def test_predictions_that_nobody_scripted_are_said_to_be(call: Call) -> None:
    with intercept():
        finish(call, create(call))
        assert "No predictions are scripted for census/v1" in predict(call, 1)["error"]["message"]


def test_a_script_may_ask_the_service(call: Call) -> None:
    def count_jobs(instances: list[Any]) -> list[Any]:
        return [len(call("GET", "projects/p1/jobs"))] * len(instances)

    with intercept(fake_service(predictions=count_jobs)):
        finish(call, create(call))
        assert predict(call, 1) == {"predictions": [0]}


def test_faults_come_in_place_of_answers(call: Call) -> None:
    script = fake_service(
        faults={
            "GET /v1/projects/*/models/*": unavailable(),
            "GET /v1/projects/*/models": Fault(internal(), times=2, after=1),
        }
    )
    with intercept(script):
        create(call)
        assert [call("GET", MODEL).get("error", {}).get("code") for _ in range(2)] == [503, None]
        listed = [call("GET", "projects/p1/models").get("error") for _ in range(4)]
        assert [bool(error) for error in listed] == [False, True, True, False]


def test_faults_of_storage_are_written_as_storage_does() -> None:
    with intercept(fake_service(faults={"GET /storage/*": unavailable("Try again.")})):
        url = "https://storage.googleapis.com/storage/v1/b?project=p1"
        answer = httpx.get(url)
        assert answer.status_code == 503
        assert answer.json()["error"]["errors"] == [
            {"message": "Try again.", "domain": "global", "reason": "backendError"}
        ]
        assert httpx.get(url).status_code == 200
