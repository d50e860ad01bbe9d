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


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


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
        ("saved_model.pbtxt", b"saved_model_schema_version: 1", "is in the text format"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SavedModelError, match=reason) as caught:
        SavedModel.read(tmp_path)
    assert str(caught.value).endswith(".")


def test_a_file_beyond_a_protocol_buffer_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "saved_model.pb").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(SavedModelError, match="has 3221225472 bytes"):
        SavedModel.read(tmp_path)


def test_a_huge_constant_is_not_read(tmp_path: Path) -> None:
    constant = field(1, "c") + field(2, "Const")
    length = len(constant) + 6 + (1 << 30)
    node = b"\x0a" + varint(length) + constant + b"\x2a" + varint(1 << 30)
    graph = b"\x12" + varint(len(node) + (1 << 30)) + node
    head = b"\x12" + varint(len(graph) + (1 << 30)) + graph
    with (tmp_path / "saved_model.pb").open("wb") as file:
        file.write(head)
        file.truncate(len(head) + (1 << 30))
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
