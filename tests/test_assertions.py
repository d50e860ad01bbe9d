"""The assertions pass what is right and explain what is not."""

import math
from pathlib import Path
from typing import Any

import pytest

from emulator.answer import Answer
from emulator.assertions import (
    assert_golden,
    assert_job_succeeded,
    assert_latency,
    assert_no_skew,
    assert_predictions,
    assert_rows,
    assert_schema,
    assert_servable,
)
from emulator.client import Entry
from emulator.outcome import Outcome
from emulator.savedmodel import MetaGraph, SavedModel, Signature, Tensor
from emulator.skew import Recorded
from emulator.wire import encode

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
        ({"error": "no"}, None, "expected predictions, found the error: no"),
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


def export(folder: Path, op: str) -> Path:
    """A SavedModel whose one output comes from an operation."""
    node = encode(1, b"y") + encode(2, op.encode())
    entry = encode(1, b"y") + encode(2, encode(1, b"y:0") + encode(2, 1))
    signature = encode(1, b"serving_default") + encode(2, encode(2, entry))
    graph = encode(1, encode(4, b"serve") + encode(5, b"2.11.0")) + encode(2, encode(1, node))
    (folder / "saved_model.pb").write_bytes(encode(2, graph + encode(5, signature)))
    return folder


def test_servable_folder_is_judged_by_the_rules(tmp_path: Path) -> None:
    assert list(assert_servable(export(tmp_path, "Identity")).outputs) == ["y"]
    with pytest.raises(AssertionError, match="no operation NewerThanAll") as caught:
        assert_servable(str(export(tmp_path, "NewerThanAll")), runtime_version="1.15")
    assert "[unknown-operation]" in str(caught.value)
    assert "Op type not registered 'NewerThanAll'" in str(caught.value)


def test_unknown_runtime_is_explained(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not in the catalogue"):
        assert_servable(export(tmp_path, "Identity"), runtime_version="9.9")


def test_golden_file_is_written_then_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(AssertionError, match="--update-golden writes it"):
        assert_golden([1.0], path)
    assert_golden([1.0], path, instances=["a"], update=True)
    assert assert_golden({"predictions": [1.0005]}, path, instances=["a"]) == [1.0005]
    with pytest.raises(AssertionError, match=r"prediction 0: expected 1\.0, found 2\.0"):
        assert_golden([2.0], path)
    with pytest.raises(AssertionError, match="for other instances"):
        assert_golden([1.0], path, instances=["b"])


def test_instance_of_a_wrong_prediction_is_shown() -> None:
    answer = Answer({"predictions": [{"y": 1.0}, {"y": 5.0}]}, [{"x": "first"}, {"x": "second"}])
    with pytest.raises(AssertionError) as caught:
        assert_predictions(answer, [{"y": 1.0}, {"y": 2.0}])
    assert "prediction 1['y']: expected 2.0, found 5.0" in str(caught.value)
    assert "its instance: {'x': 'second'}" in str(caught.value)
    assert "first" not in str(caught.value)


def test_instance_that_is_refused_is_shown() -> None:
    answer = Answer({"error": "all refused"}, ["a", "b" * 1000], {1: "b is refused"})
    with pytest.raises(AssertionError) as caught:
        assert_predictions(answer)
    lines = str(caught.value).splitlines()
    assert lines[0] == "expected predictions, found the error: all refused"
    assert lines[1] == "instance 1 fails alone, too: b is refused"
    assert lines[2].startswith("  its instance: 'bbb")
    assert len(lines[2]) < 500


def test_found_signatures_are_shown_with_types_and_shapes() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_servable(model(predict=SERVING))
    assert "\n  predict:\n    x: float32 unknown\n    → y: float32 unknown" in str(caught.value)


def test_schema_is_given_or_made_of_a_signature() -> None:
    assert assert_schema([{"y": 1.0}], SERVING) == [{"y": 1.0}]
    assert assert_schema([1], {"type": "number"}) == [1]
    with pytest.raises(AssertionError, match="prediction 1: expected number, found 'a'"):
        assert_schema({"predictions": [1, "a"]}, {"type": "number"})


def test_rows_keep_number_and_keys() -> None:
    instances = [{"k": 1}, {"k": 2}]
    assert_rows([{"k": 1}, {"k": 2}], instances, keys=["k"])
    with pytest.raises(AssertionError, match="Prediction 0 has 2 for k"):
        assert_rows([{"k": 2}, {"k": 1}], instances, keys=["k"])
    with pytest.raises(AssertionError, match="expected 2 predictions, found 1"):
        assert_rows([{"k": 1}], instances)


def test_latency_is_held_against_a_budget() -> None:
    assert len(assert_latency(lambda: None, 60.0, repeats=3)) == 3
    with pytest.raises(AssertionError, match=r"expected 95% of 3 calls within 0\.0 ms"):
        assert_latency(lambda: None, 0.0, repeats=3)


def test_skew_is_a_share_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.jsonl"
    path.write_text('{"instance": 1, "prediction": 2}\n{"instance": 2, "prediction": 5}\n')

    def doubled(instances: list[Any]) -> Any:
        return {"predictions": [{"y": float(2 * it)} for it in instances]}

    assert assert_no_skew(path, doubled, allowed=0.5).different == 1
    assert assert_no_skew([Recorded(3, 6)], doubled).different == 0
    with pytest.raises(AssertionError, match="train/serve skew: 1 of 2 rows differ"):
        assert_no_skew(str(path), doubled)
