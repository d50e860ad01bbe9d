from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.savedmodel import (
    MAX_RANK,
    MetaGraph,
    SavedModel,
    SavedModelError,
    Signature,
    Tensor,
    describe_shape,
    summary,
)
from emulator.wire import encode


def field(number: int, value: int | str | bytes) -> bytes:
    return encode(number, value.encode() if isinstance(value, str) else value)


def entry(key: str, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


def shape(*sizes: int) -> bytes:
    return b"".join(field(2, field(1, size)) for size in sizes)


def tensor(name: str, dtype: int, dimensions: bytes | None = None) -> bytes:
    tail = b"" if dimensions is None else field(3, dimensions)
    return field(1, name) + field(2, dtype) + tail


def node(name: str, op: str) -> bytes:
    return field(1, name) + field(2, op) + field(3, "input") + field(5, entry("value", b"\xff" * 9))


def graph() -> bytes:
    function = field(1, field(1, "f")) + field(3, node("inner", "MatMul"))
    return (
        field(1, node("x", "Placeholder"))
        + field(1, node("y", "Placeholder"))
        + field(2, field(1, function))
        + field(4, field(1, 134))
    )


def signature() -> bytes:
    return (
        field(1, entry("x", tensor("x:0", 1, shape(-1, 3))))
        + field(2, entry("y", tensor("y:0", 7, field(3, 1))))
        + field(2, entry("n", tensor("n:0", 103)))
        + field(3, "tensorflow/serving/predict")
    )


def meta_graph(*tags: str) -> bytes:
    info = b"".join(field(4, tag) for tag in tags) + field(5, "1.15.5")
    return (
        field(1, info)
        + field(2, graph())
        + field(4, entry("collection", b"\xff"))
        + field(5, entry("serving_default", signature()))
    )


MODEL = field(1, 1) + field(2, meta_graph("serve")) + field(2, meta_graph("serve", "tpu"))


def test_reads_everything_that_is_asked_of_it() -> None:
    assert SavedModel.read(field(1, 1) + field(2, meta_graph("serve"))) == SavedModel(
        1,
        (
            MetaGraph(
                tags=("serve",),
                tensorflow_version="1.15.5",
                producer=134,
                ops=("MatMul", "Placeholder"),
                signatures={
                    "serving_default": Signature(
                        "tensorflow/serving/predict",
                        {"x": Tensor("x:0", "float32", (None, 3))},
                        {
                            "n": Tensor("n:0", "int32", None),
                            "y": Tensor("y:0", "string", None),
                        },
                    )
                },
            ),
        ),
    )


def test_tags_are_compared_as_a_whole() -> None:
    model = SavedModel.read(MODEL)
    assert [found.tags for found in model.tagged("serve")] == [("serve",)]
    assert [found.tags for found in model.tagged("tpu", "serve")] == [("serve", "tpu")]


def test_the_initialiser_is_no_signature_to_call() -> None:
    graph = MetaGraph(signatures={"__saved_model_init_op": Signature(), "predict": Signature()})
    assert list(graph.callable_signatures) == ["predict"]


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (tensor("s:0", 3, b""), Tensor("s:0", "int32", ())),
        (tensor("s:0", 3), Tensor("s:0", "int32", None)),
        (tensor("s:0", 999, shape(2)), Tensor("s:0", "type 999", (2,))),
        (field(4, field(1, "v:0")) + field(2, 1), Tensor("", "float32", None, "sparse")),
        (field(5, b"") + field(2, 21), Tensor("", "variant", None, "composite")),
        (field(1, 5) + field(2, "odd"), Tensor("", "invalid", None)),
    ],
)
def test_tensors_of_every_kind(info: bytes, expected: Tensor) -> None:
    model = field(2, field(5, entry("s", field(1, entry("x", info)))))
    read = SavedModel.read(model)
    assert read.meta_graphs[0].signatures["s"].inputs["x"] == expected


def test_reads_a_directory_and_its_file(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(MODEL)
    assert SavedModel.read(tmp_path) == SavedModel.read(MODEL)
    assert SavedModel.read(tmp_path / "saved_model.pb") == SavedModel.read(MODEL)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("other", b"", "cannot be read: No such file"),
        ("saved_model.pb", b"", "has 0 bytes"),
        ("saved_model.pb", b"not a protocol buffer", "is no readable SavedModel"),
        ("saved_model.pb", b"\x08\x01", "has no meta graph"),
        ("saved_model.pbtxt", b"saved_model_schema_version: 1", "has no meta graph"),
        ("saved_model.pbtxt", b"meta_graphs {", "the text ends before"),
        ("saved_model.pbtxt", b"\xff", "is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SavedModelError, match=reason) as caught:
        SavedModel.read(tmp_path)
    assert str(caught.value).endswith(".")


TEXT_MODEL = """
saved_model_schema_version: 1  # a comment
meta_graphs {
  meta_info_def {
    tags: "serve"
    tensorflow_version: "1.15.5"
    any_info { [type.googleapis.com/some.Message] { value: 1.5e-3 } }
    stripped_op_list { op { name: "x" is_stateful: true } }
  }
  graph_def {
    node { name: "x" op: "Placeholder" attr { key: "k" value { shape { unknown_rank: true } } } }
    node { name: "c" op: 'Const' attr { key: "k" value { tensor { string_val: "\\001}\\"" } } } }
    library < function < node_def < op: "MatMul" > > >
    versions { producer: 134; bad_consumers: [1, 2] }
  }
  signature_def {
    key: "caf\\303\\251"
    value {
      inputs { key: "x", value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
      outputs {
        key: "y"
        value { name: "y:0" dtype: DT_HALF_REF tensor_shape { unknown_rank: true } }
      }
      method_name: "tensorflow/serving/predict"
    }
  }
}
"""


def test_the_text_format_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pbtxt").write_text(TEXT_MODEL)
    (graph,) = SavedModel.read(tmp_path).tagged("serve")
    assert graph == MetaGraph(
        tags=("serve",),
        tensorflow_version="1.15.5",
        producer=134,
        ops=("Const", "MatMul", "Placeholder"),
        signatures={
            "café": Signature(
                "tensorflow/serving/predict",
                {"x": Tensor("x:0", "float32", (None,))},
                {"y": Tensor("y:0", "float16", None)},
            )
        },
    )


def test_a_file_beyond_a_protocol_buffer_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "saved_model.pb").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(SavedModelError, match="has 3221225472 bytes"):
        SavedModel.read(tmp_path)


def test_a_huge_constant_is_not_read(tmp_path: Path) -> None:
    """One node of a gibibyte, in a file with a hole."""
    hole = 1 << 30
    head = encode(1, b"c") + encode(2, b"Const")
    for number in (5, 1, 2, 2):  # attr of node of graph_def of meta_graphs
        length = encode(1, (len(head) if number != 5 else 0) + hole)[1:]
        head = head + b"\x2a" + length if number == 5 else encode(number, b"")[:1] + length + head
    with (tmp_path / "saved_model.pb").open("wb") as file:
        file.write(head)
        file.truncate(len(head) + hole)
    assert SavedModel.read(tmp_path).meta_graphs[0].ops == ("Const",)


def test_too_many_dimensions_are_refused() -> None:
    info = tensor("x:0", 1, shape(*[1] * (MAX_RANK + 1)))
    with pytest.raises(SavedModelError, match="dimensions"):
        SavedModel.read(field(2, field(5, entry("s", field(1, entry("x", info))))))


def test_deep_nesting_costs_no_stack() -> None:
    data = b""
    for _ in range(20_000):
        data = field(2, data)[-4096:]
    with pytest.raises(SavedModelError):
        SavedModel.read(b"\x08\x01\x0b" + data)
    nested = b""
    for _ in range(3000):
        nested = field(2, nested)
    assert SavedModel.read(nested).meta_graphs


@given(st.binary(max_size=300))
def test_garbage_is_an_error_or_a_model(data: bytes) -> None:
    with suppress(SavedModelError):
        assert SavedModel.read(data).meta_graphs


@given(st.integers(0, len(MODEL) - 1), st.binary(max_size=3), st.integers(0, 9))
def test_a_damaged_model_is_an_error_or_a_model(at: int, put: bytes, lost: int) -> None:
    damaged = MODEL[:at] + put + MODEL[at + lost :]
    with suppress(SavedModelError):
        assert SavedModel.read(damaged).meta_graphs


def test_a_signature_for_people() -> None:
    read = SavedModel.read(MODEL).meta_graphs[0].signatures["serving_default"]
    assert list(summary(read)) == ["x: float32 (?, 3)", "→ n: int32 unknown", "→ y: string unknown"]
    assert describe_shape((2,)) == "(2,)"
    assert describe_shape(()) == "()"
