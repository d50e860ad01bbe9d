import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.shipped import SHIMS

Answer = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SHIMS))
        patch.delitem(sys.modules, "prediction_rules", raising=False)
        import prediction_rules  # type: ignore[import-not-found]  # noqa: PLC0415

        return prediction_rules  # type: ignore[no-any-return]


class Echo:
    """Answers each output with the input of the same alias, or what ``outputs`` says."""

    def __init__(self, signatures: dict[str, Any], outputs: dict[str, Any] | None = None) -> None:
        self.signatures = signatures
        self.outputs = outputs

    def run(self, signature: Any, batch: dict[str, Any]) -> dict[str, Any]:
        return self.outputs or {alias: batch.get(alias, []) for alias in signature.outputs}


@pytest.fixture
def ask(rules: ModuleType) -> Answer:
    """Ask a model of inputs (alias → dtype); what it answers is its inputs or ``outputs``."""

    def signature(dtypes: dict[str, str]) -> Any:
        tensors = {
            alias: rules.Tensor(f"{alias}:0", dtype, [None]) for alias, dtype in dtypes.items()
        }
        return rules.Signature(tensors, tensors)

    def asked(
        body: Any, names: dict[str, dict[str, str]] | None = None, **outputs: Any
    ) -> tuple[int, dict[str, Any]]:
        signatures = names or {"serving_default": {"x": "float32"}}
        model = Echo({name: signature(dtypes) for name, dtypes in signatures.items()}, outputs)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = rules.answer(model, data)
        return status, json.loads(answer)

    return asked


def instances(*values: Any, **more: Any) -> dict[str, Any]:
    return {"instances": list(values), **more}


STRINGS = {"serving_default": {"s": "string"}}
TWO = {"serving_default": {"a": "float32", "b": "float32"}}


@pytest.mark.parametrize(
    "body", [instances(1, 2), instances({"x": 1}, {"x": 2}), instances(1, {"x": 2})]
)
def test_a_single_input_may_go_unnamed(ask: Answer, body: Any) -> None:
    assert ask(body) == (200, {"predictions": [{"x": 1}, {"x": 2}]})


def test_a_single_instance_may_go_without_its_list(ask: Answer) -> None:
    assert ask({"instances": 5}) == (200, {"predictions": [{"x": 5}]})


def test_other_fields_of_the_body_are_let_pass(ask: Answer) -> None:
    assert ask(instances(1, probabilities=True))[1] == {"predictions": [{"x": 1}]}


@pytest.mark.parametrize(
    ("signatures", "name", "answered"),
    [
        ({"predict": {"p": "float32"}}, None, "p"),
        ({"predict": {"p": "float32"}}, "", "p"),
        ({"predict": {"p": "float32"}, "serving_default": {"d": "float32"}}, None, "d"),
        ({"predict": {"p": "float32"}, "serving_default": {"d": "float32"}}, "predict", "p"),
    ],
)
def test_which_signature_answers(
    ask: Answer, signatures: dict[str, dict[str, str]], name: str | None, answered: str
) -> None:
    assert ask(instances(1, signature_name=name), signatures)[1] == {"predictions": [{answered: 1}]}


@pytest.mark.parametrize(("name", "said"), [("nope", "nope"), (None, "None")])
def test_a_signature_that_is_not_there(ask: Answer, name: str | None, said: str) -> None:
    signatures = {"a": {"x": "float32"}, "b": {"x": "float32"}}
    text = f"Prediction failed: No signature found for signature key {said}."
    assert ask(instances(1, signature_name=name), signatures) == (200, {"error": text})


@pytest.mark.parametrize(
    ("signatures", "instance", "text"),
    [
        (None, {"y": 1}, "Expected tensor name: x, got tensor name: ['y']."),
        (None, {"b64": "YQ=="}, "Expected tensor name: x, got tensor name: ['b64']."),
        (TWO, {"a": 1, "b": 2, "y": 3}, "Unexpected tensor name: y"),
        (TWO, [1, 2], "Input mismatch: an instance of this model is an object with the keys a, b"),
        (STRINGS, {"b64": "YQ="}, "Error processing input: invalid base64: "),
        (STRINGS, {"b64": 7}, "Error processing input: invalid base64: "),
    ],
)  # fmt: skip
def test_an_instance_that_does_not_fit(
    ask: Answer, signatures: dict[str, dict[str, str]] | None, instance: Any, text: str
) -> None:
    status, answer = ask(instances(instance), signatures)
    assert status == 200
    assert answer["error"].startswith(f"Prediction failed: {text}")


def test_an_input_that_one_instance_lacks(ask: Answer) -> None:
    error = "Prediction failed: Input b was missing in at least one input instance."
    assert ask(instances({"a": 1, "b": 2}, {"a": 1}), TWO)[1] == {"error": error}


def test_several_inputs_need_a_list(ask: Answer) -> None:
    assert "instances is not a list" in ask({"instances": {"a": 1, "b": 2}}, TWO)[1]["error"]


def test_base64_is_decoded_at_any_depth(ask: Answer) -> None:
    body = instances({"s": [["é", {"b64": "w6k="}]]}, {"b64": "YQ=="})
    assert ask(body, STRINGS)[1] == {"predictions": [{"s": [["é", "é"]]}, {"s": "a"}]}


def test_outputs_named_bytes_are_base64(ask: Answer) -> None:
    signatures = {"predict": {"raw_bytes": "string"}}
    outputs = {"raw_bytes": [b"\xff", [b"a", "b"]]}
    assert ask(instances("a", "b"), signatures, **outputs)[1] == {
        "predictions": [
            {"raw_bytes": {"b64": "/w=="}},
            {"raw_bytes": [{"b64": "YQ=="}, {"b64": "Yg=="}]},
        ]
    }


def test_text_that_is_not_utf8(ask: Answer) -> None:
    error = ask(instances("a"), STRINGS, s=[b"\xff"])[1]["error"]
    assert error.startswith("Prediction failed: Prediction failed during encoding instances: ")


def test_outputs_of_differing_sizes(ask: Answer) -> None:
    assert ask(instances({"a": 1, "b": 1}), TWO, a=[1], b=[1, 2])[1] == {
        "error": "Prediction failed: Bad output from running tensorflow session: outputs had "
        "differing sizes in the batch (outer) dimension. See the outputs and their size: "
        "{'a': 1, 'b': 2}. Check your model for bugs that effect the size of the outputs."
    }


def test_an_output_that_json_does_not_have(ask: Answer) -> None:
    error = ask(instances(1), x=[1j])[1]["error"]
    assert error.startswith("Prediction failed: Prediction failed during encoding instances: ")


def test_not_a_number_is_written_as_python_does(ask: Answer) -> None:
    assert str(ask(instances(1), x=[float("nan")])[1]) == "{'predictions': [{'x': nan}]}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Invalid JSON payload received. "),
        (b"{", "Invalid JSON payload received. "),
        (b'{"instances": "\xff"}', "Invalid JSON payload received. "),
        (b"[" * 100_000, "Invalid JSON payload received. "),
        (b"[1]", "Invalid JSON payload received. The request is not an object."),
        (b"{}", 'Missing "instances" field in request body.'),
        (b'{"instances": [1], "signature_name": 5}', 'The "signature_name" field '),
    ],
)
def test_a_body_that_is_no_request(ask: Answer, body: bytes, text: str) -> None:
    status, answer = ask(body)
    assert status == 400
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert answer["error"]["message"].startswith(text)


def test_instances_nested_too_deeply(ask: Answer) -> None:
    depth = 900
    status, answer = ask(b'{"instances": ' + b"[" * depth + b"]" * depth + b"}", STRINGS)
    assert status in {200, 400}
    assert answer.keys() <= {"error", "predictions"}


def test_memory_that_ran_out(rules: ModuleType) -> None:
    class Full(Echo):
        def run(self, *_: Any) -> dict[str, Any]:
            raise MemoryError

    tensors = {"x": rules.Tensor("x:0", "float32", None)}
    model = Full({"predict": rules.Signature(tensors, tensors)})
    status, answer = rules.answer(model, b'{"instances": [1]}')
    assert status == 503
    assert b"Prediction server is out of memory" in answer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xb64ab"), inner),
    max_leaves=8,
)


@given(value=JSON, kind=st.sampled_from(["float32", "string"]))
def test_any_json_gets_an_answer(rules: ModuleType, value: Any, kind: str) -> None:
    tensors = {"x": rules.Tensor("x:0", "float32", None)}
    inputs = {"x": rules.Tensor("x:0", kind, None)}
    model = Echo({"predict": rules.Signature(inputs, tensors)})
    status, answer = rules.answer(model, json.dumps({"instances": value}).encode())
    assert status == 200
    assert json.loads(answer).keys() <= {"predictions", "error"}


@pytest.mark.parametrize(
    ("declared", "shape", "blamed"),
    [
        (None, (2,), False),
        ([None, 3], (5, 3), False),
        ([None, 3], (5, 4), True),
        ([None, 3], (5,), True),
        ([], (1,), True),
    ],
)
def test_which_shapes_are_blamed(
    rules: ModuleType, declared: list[int | None] | None, shape: tuple[int, ...], *, blamed: bool
) -> None:
    tensor = rules.Tensor("x:0", "float32", declared)
    if blamed:
        with pytest.raises(rules.PredictionError, match="Cannot feed value of shape"):
            rules.blame_shape(tensor, shape)
    else:
        assert rules.blame_shape(tensor, shape) is None
