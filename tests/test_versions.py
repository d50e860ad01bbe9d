"""Versions are deployed, asked and taken back; what is refused is explained."""

from typing import TYPE_CHECKING

import pytest

from emulator.client import Client
from emulator.rest import Refused
from emulator.versions import Deployed, Versions
from emulator.wire import encode

if TYPE_CHECKING:
    from tests.conftest import Keeper

GRAPH = encode(1, encode(4, b"serve")) + encode(
    5, encode(1, b"serving_default") + encode(2, encode(3, b"tensorflow/serving/predict"))
)


@pytest.fixture
def versions(client: Client) -> Versions:
    return Versions(client, "test")


def deletions(keeper: "Keeper") -> list[str]:
    return [target for method, target, _ in keeper.requests if method == "DELETE"]


def test_version_is_made_and_taken_back(versions: Versions, keeper: "Keeper") -> None:
    first = versions.deploy("gs://b/out", {"runtimeVersion": "2.11"}, model="m")
    second = versions.deploy("gs://b/out", {}, model="m", version="v2")
    assert (str(first), str(second)) == ("m/v1", "m/v2")
    (body, _) = [body for _, target, body in keeper.requests if target.endswith("/versions")]
    assert body == {
        "name": "v1",
        "deploymentUri": "gs://b/out",
        "framework": "TENSORFLOW",
        "runtimeVersion": "2.11",
    }
    versions.close()
    base = "/v1/projects/p/models/m"
    assert deletions(keeper) == [f"{base}/versions/v2", f"{base}/versions/v1", base]
    versions.close()
    assert len(deletions(keeper)) == 3


def test_refused_version_names_the_signatures(versions: Versions, keeper: "Keeper") -> None:
    keeper.buckets["b"] = {"out/saved_model.pb": encode(1, 1) + encode(2, GRAPH)}
    keeper.operation_error = {"code": 3, "message": "Bad model."}
    with pytest.raises(Refused, match="Bad model") as caught:
        versions.deploy("gs://b/out", {})
    assert "signatures of gs://b/out:" in caught.value.__notes__[0]


def test_refused_version_without_a_model_says_so(versions: Versions, keeper: "Keeper") -> None:
    keeper.buckets["b"] = {}
    keeper.operation_error = {"code": 3, "message": "Bad model."}
    with pytest.raises(Refused) as caught:
        versions.deploy("gs://b/out", {})
    assert "There is no SavedModel at gs://b/out" in caught.value.__notes__[0]


def test_answer_knows_what_was_asked(versions: Versions, keeper: "Keeper") -> None:
    keeper.predictions = (200, {"predictions": [1, 2]})
    answer = versions.predict(Deployed("m", "v1", "gs://b"), ["a", "b"], signature_name="s")
    assert answer == {"predictions": [1, 2]}
    assert answer.instances == ["a", "b"]
    (_, target, body) = keeper.requests[-1]
    assert target == "/v1/projects/p/models/m/versions/v1:predict"
    assert body == {"instances": ["a", "b"], "signature_name": "s"}
    versions.predict("m", ["a"])
    assert keeper.requests[-1][1] == "/v1/projects/p/models/m:predict"


@pytest.mark.parametrize("status", [200, 400])
def test_refused_instances_are_asked_alone(
    versions: Versions, keeper: "Keeper", status: int
) -> None:
    keeper.predictions = (status, {"error": "Prediction failed: wrong"})
    answer = versions.predict("m/v1", ["a", "b"])
    assert answer == {"error": "Prediction failed: wrong"}
    assert answer.failing == dict.fromkeys([0, 1], "Prediction failed: wrong")
    assert [body["instances"] for _, _, body in keeper.requests] == [["a", "b"], ["a"], ["b"]]
    assert versions.predict("m/v1", ["a"]).failing == {}


def test_refused_request_is_an_error(versions: Versions, keeper: "Keeper") -> None:
    error = {"code": 404, "message": "Field: name Error: No such model.", "status": "NOT_FOUND"}
    keeper.predictions = (404, {"error": error})
    with pytest.raises(Refused, match="No such model"):
        versions.predict("m/v1", ["a", "b"])
