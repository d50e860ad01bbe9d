import pytest

from emulator.exports.requests import made
from emulator.savedmodel import Encoding, Signature, Tensor


def taking(**inputs: Tensor) -> Signature:
    return Signature("predict", inputs, {"y": Tensor("y:0", "float32", (None,))})


def test_instances_have_the_types_and_shapes_of_the_signature() -> None:
    signature = taking(
        km=Tensor("a:0", "float32", (None,)),
        word=Tensor("b:0", "string", (None, 2)),
        image=Tensor("c:0", "uint8", (None, 2, None, 1)),
        night=Tensor("d:0", "bool", (None,)),
    )
    assert made(signature) == [
        {"km": 0.5, "word": ["a", "a"], "image": [[[0]], [[0]]], "night": True},
        {"km": 1.0, "word": ["b", "b"], "image": [[[1]], [[1]]], "night": False},
    ]


@pytest.mark.parametrize(
    ("dtype", "shape", "encoding"),
    [
        ("complex64", (None,), "dense"),
        ("float32", (None, 0), "dense"),
        ("float32", (None, 1000, 1000), "dense"),
        ("float32", (None, 3), "sparse"),
    ],
)
def test_no_instance_is_made_of_what_does_not_tell_enough(
    dtype: str, shape: tuple[int | None, ...], encoding: Encoding
) -> None:
    assert made(taking(x=Tensor("a:0", dtype, shape, encoding))) == []
    assert made(taking()) == []
