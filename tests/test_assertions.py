"""The assertions pass what is right and explain what is not."""

import math
from pathlib import Path
from typing import Any

import pytest

from emulator.assertions import assert_job_succeeded, assert_predictions, assert_servable
from emulator.client import Entry
from emulator.outcome import Outcome
from emulator.savedmodel import MetaGraph, SavedModel, Signature, Tensor

SERVING = Signature("predict", {"x": Tensor("x:0", "float32")}, {"y": Tensor("y:0", "float32")})


def outcome(state: str, *lines: str) -> Outcome:
    job = {"jobId": "j", "state": state, "errorMessage": "It broke."}
    entries = [
        Entry(str(number), "2020-01-01T00:00:00Z", "INFO", "master-replica-0", text)
        for number, text in enumerate(lines)
    ]
    return Outcome(job, tuple(entries))


def model(tag: str = "serve", **signatures: Signature) -> SavedModel:
    return SavedModel(1, (MetaGraph((tag,), signatures=signatures),))


def test_succeeded_job_passes() -> None:
    assert_job_succeeded(outcome("SUCCEEDED"))


def test_failed_job_shows_its_reason_and_last_lines() -> None:
    lines = [f"line {number}" for number in range(30)]
    with pytest.raises(AssertionError) as caught:
        assert_job_succeeded(outcome("FAILED", *lines))
    text = str(caught.value)
    assert "expected SUCCEEDED, found FAILED" in text
    assert "It broke." in text
    assert "line 29" in text
    assert "line 14" not in text


def test_servable_model_answers_its_signature() -> None:
    found = assert_servable(model(serving_default=SERVING), inputs=["x"], outputs=["y"])
    assert found is SERVING


@pytest.mark.parametrize(
    ("saved_model", "text"),
    [
        (model("train", serving_default=SERVING), "expected a graph tagged 'serve'"),
        (model(predict=SERVING), r"expected the signature 'serving_default', found \['predict'\]"),
        (model(serving_default=Signature()), r"inputs of 'serving_default': expected \['x'\] too"),
    ],
    ids=["tag", "signature", "inputs"],
)
def test_unservable_model_is_explained(saved_model: SavedModel, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        assert_servable(saved_model, inputs=["x"])


def test_folder_without_a_model_is_explained(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="expected a SavedModel in "):
        assert_servable(tmp_path)


def test_predictions_may_differ_a_little() -> None:
    answer = {"predictions": [{"fare": 8.5001, "key": "a"}, {"fare": 12.0, "key": "b"}]}
    found = assert_predictions(answer, [{"fare": 8.5}, {"key": "b"}])
    assert found == answer["predictions"]


@pytest.mark.parametrize(
    ("answer", "expected", "text"),
    [
        ({"error": "no"}, None, "expected a list of predictions, found {'error': 'no'}"),
        ([1.0], [1.0, 2.0], "expected 2 predictions, found 1"),
        ([{"y": [1.0, math.nan]}], None, r"prediction 0\['y'\]\[1\]: expected a finite number"),
        (["NaN"], None, "prediction 0: expected a finite number, found nan"),
        ([{"y": 1.0}], [{"y": 2.0}], r"prediction 0\['y'\]: expected 2.0, found 1.0"),
        ([{"y": 1.0}], [{"z": 2.0}], r"prediction 0: expected the key 'z', found \['y'\]"),
        ([[1.0]], [[1.0, 2.0]], r"prediction 0: expected \[1.0, 2.0\], found \[1.0\]"),
    ],
    ids=["error", "count", "nan", "text", "value", "key", "length"],
)
def test_wrong_predictions_are_explained(answer: Any, expected: Any, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        assert_predictions(answer, expected)
