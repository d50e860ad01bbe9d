"""Evidence from real folders; SavedModels are written field by field."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import OperatorError
from emulator.exports import graphs
from emulator.exports.evidence import Asset, Attribute, Evidence
from emulator.exports.folders import LocalFolder
from emulator.exports.gather import Question, gather
from emulator.exports.graphs import is_newer
from emulator.exports.verdict import judge
from emulator.savedmodel import SavedModel
from emulator.wire import WireError, encode


def field(number: int, value: int | str | bytes) -> bytes:
    return encode(number, value.encode() if isinstance(value, str) else value)


def entry(key: str, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


def node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    tail = b"".join(field(5, entry(key, value)) for key, value in attributes.items())
    return field(1, name) + field(2, op) + b"".join(field(3, it) for it in inputs) + tail


def function(name: str, *nodes: bytes) -> bytes:
    return field(1, field(1, name)) + b"".join(field(3, it) for it in nodes)


def text_constant(name: str, value: str) -> bytes:
    return node(name, "Const", value=field(8, field(8, value)))


def calls(name: str) -> bytes:
    """An attribute's value that is a function."""
    return field(10, field(1, name))


def tensor(name: str, dtype: int = 1) -> bytes:
    shape = field(2, field(1, -1)) + field(2, field(1, 3))
    return field(1, name) + field(2, dtype) + field(3, shape)


def meta_graph(
    *nodes: bytes, functions: tuple[bytes, ...] = (), version: str = "2.11.0", more: bytes = b""
) -> bytes:
    """A graph tagged serve whose one output is the node y."""
    signature = field(1, entry("x", tensor("x:0"))) + field(2, entry("y", tensor("y:0")))
    graph = b"".join(field(1, it) for it in nodes)
    graph += field(2, b"".join(field(1, it) for it in functions))
    info = field(4, "serve") + field(5, version)
    return field(1, info) + field(2, graph) + field(5, entry("serving_default", signature)) + more


def export(folder: Path, graph: bytes, **files: bytes) -> Path:
    (folder / "saved_model.pb").write_bytes(field(1, 1) + field(2, graph))
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return folder


def gathered(folder: Path, version: str = "", **choices: Any) -> Evidence:
    return gather(LocalFolder(folder), Question(version=version, **choices))


def rules(evidence: Evidence) -> set[str]:
    return {finding.rule for finding in judge(evidence).findings}


X, Y = node("x", "Placeholder"), node("y", "Identity", "x")


def test_a_small_export_is_read_whole(tmp_path: Path) -> None:
    evidence = gathered(export(tmp_path, meta_graph(X, Y)))
    assert evidence.files == {"saved_model.pb": (tmp_path / "saved_model.pb").stat().st_size}
    assert evidence.framework == "tensorflow"
    assert evidence.ops == {"Placeholder", "Identity"}
    assert evidence.target.version == "2.11"
    assert evidence.target.assumed
    assert rules(evidence) == set()


@pytest.mark.parametrize(
    ("exported", "version"),
    [("1.15.5", "1.15"), ("1.9.0", "1.15"), ("2.4.1", "2.11"), ("", "2.11")],
)
def test_runtime_follows_the_model(tmp_path: Path, exported: str, version: str) -> None:
    folder = export(tmp_path, meta_graph(X, Y, version=exported))
    assert gathered(folder).target.version == version


def test_runtime_that_never_was_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"'3\.0' is not in the catalogue"):
        gathered(export(tmp_path, meta_graph(X, Y)), "3.0")
    with pytest.raises(OperatorError, match=r"had Python 2\.7 and 3\.7, not '3\.9'"):
        gathered(tmp_path, "1.15", python_version="3.9")


def test_operations_of_other_versions_are_said_to_be_unknown(tmp_path: Path) -> None:
    evidence = gathered(export(tmp_path, meta_graph(X, node("y", "NewerThanAll", "x"))), "2.4")
    assert evidence.not_checked == (
        "Operations: those of TensorFlow 2.4.1 are not known here, only of 1.15 and 2.11.",
    )


def test_only_what_a_request_reaches_counts(tmp_path: Path) -> None:
    training = function("train", node("a", "PyFunc"))
    served = function("serve", node("a", "PartitionedCall", f=calls("inner")))
    inner = function("inner", node("b", "EagerPyFunc"))
    quiet = meta_graph(X, Y, functions=(training,))
    assert gathered(export(tmp_path, quiet)).graph.reachable == {"Placeholder", "Identity"}
    call = node("y", "StatefulPartitionedCall", "x", "^x", f=calls("serve"))
    loud = meta_graph(X, call, functions=(training, served, inner))
    evidence = gathered(export(tmp_path, loud))
    assert "EagerPyFunc" in evidence.graph.reachable
    assert "PyFunc" not in evidence.graph.reachable
    assert rules(evidence) == {"python-operation"}


def test_functions_that_call_each_other_end(tmp_path: Path) -> None:
    one = function("one", node("a", "PyFunc", f=calls("two")))
    two = function("two", node("b", "NoOp", f=field(1, field(9, field(1, "one")))))
    graph = meta_graph(X, node("y", "one", "x"), functions=(one, two))
    assert gathered(export(tmp_path, graph)).graph.reachable >= {"PyFunc", "NoOp"}


def test_functions_of_tensorflow_1_are_no_operations(tmp_path: Path) -> None:
    graph = meta_graph(
        X, node("y", "my_f", "x"), functions=(function("my_f", X),), version="1.15.0"
    )
    assert rules(gathered(export(tmp_path, graph))) == set()
    assert rules(gathered(export(tmp_path, meta_graph(X, node("y", "my_f", "x"))))) == {
        "unknown-operation"
    }


def test_assets_of_both_formats_are_seen(tmp_path: Path) -> None:
    asset = field(1, field(1, "path:0")) + field(2, "words.txt")
    new = meta_graph(X, Y, more=field(6, asset))
    wrapped = field(
        5, field(1, field(1, "type.googleapis.com/tensorflow.AssetFileDef") + field(2, asset))
    )
    old = meta_graph(X, Y, more=field(4, entry("saved_model_assets", wrapped)))
    for graph in (new, old):
        evidence = gathered(export(tmp_path, graph))
        assert evidence.graph.assets == (Asset("words.txt", "path"),)
        assert rules(evidence) == {"missing-asset"}
    assert rules(gathered(export(tmp_path, new, assets__words=b"a"))) == {"missing-asset"}
    (tmp_path / "assets" / "words.txt").write_text("a")
    assert "missing-asset" not in rules(gathered(tmp_path))


def test_vocabularies_outside_are_seen(tmp_path: Path) -> None:
    table = node("t", "InitializeTableFromTextFileV2", "h", "pass")
    path = text_constant("path", "/home/ana/words.txt")
    graph = (X, Y, path, node("pass", "Identity", "path:0"), table)
    assert gathered(export(tmp_path, meta_graph(*graph))).graph.text_files == (
        "/home/ana/words.txt",
    )
    asset = field(6, field(1, field(1, "path:0")) + field(2, "words.txt"))
    fed = gathered(export(tmp_path, meta_graph(*graph, more=asset)))
    assert fed.graph.text_files == ()


def test_attributes_of_newer_versions_are_seen(tmp_path: Path) -> None:
    pads = field(1, field(3, 7))
    pool = node("y", "MaxPool", "x", explicit_paddings=pads, T=field(6, 1), _shape=field(2, "x"))
    graph = meta_graph(X, pool)
    old = gathered(export(tmp_path, graph), "1.15")
    assert old.graph.unknown_attributes == (Attribute("MaxPool", "explicit_paddings"),)
    assert gathered(tmp_path, "2.11").graph.unknown_attributes == ()
    default = field(1, "explicit_paddings") + field(3, pads)
    stripped = field(2, field(1, field(1, "MaxPool") + field(4, default)))
    graph = meta_graph(X, pool, more=field(1, stripped))
    assert gathered(export(tmp_path, graph), "1.15").graph.unknown_attributes == ()


def test_code_of_keras_is_seen_in_both_places(tmp_path: Path) -> None:
    code = {
        "class_name": "Lambda",
        "name": "twice",
        "config": {"function": {"class_name": "__tuple__"}},
    }
    description = json.dumps(code)
    new = export(tmp_path, meta_graph(X, Y))
    (tmp_path / "keras_metadata.pb").write_bytes(field(1, field(5, description)))
    assert gathered(new).keras_code == ("twice",)
    (tmp_path / "keras_metadata.pb").unlink()
    objects = field(7, field(1, field(4, field(3, description))))
    assert gathered(export(tmp_path, meta_graph(X, Y, more=objects))).keras_code == ("twice",)
    dense = description.replace("Lambda", "Dense")
    (tmp_path / "keras_metadata.pb").write_bytes(field(1, field(5, dense)))
    assert gathered(export(tmp_path, meta_graph(X, Y))).keras_code == ()


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x12\xff\xff\xff\xff\x07", b"\x0a" * 99], ids=range(4)
)
def test_garbage_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    evidence = gathered(tmp_path)
    assert rules(evidence) == {"unreadable-model"}
    assert str(tmp_path) in evidence.unreadable


def test_two_gigabytes_are_a_finding(tmp_path: Path) -> None:
    for size, rule in ((1 << 31, "unreadable-model"), ((1 << 31) - 1, "unreadable-model")):
        with (tmp_path / "saved_model.pb").open("wb") as file:
            file.truncate(size)
        assert rules(gathered(tmp_path)) == {rule, "too-large"}


def test_odd_folders_are_answered(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="does not exist"):
        LocalFolder(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="is a file: name the folder"):
        LocalFolder(tmp_path / "file")
    (tmp_path / "saved_model.pb").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "model.pkl")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert gathered(tmp_path).files == {"file": 0}
    assert rules(gathered(tmp_path)) == {"no-model"}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"binf\x00\x00", "binary"),
        (b"\x00\x00\x00\x3f\x03", "binary"),
        (b'{"learner":{}}', "JSON"),
        (b"{L\x00\x00", "UBJSON"),
        (b"what", ""),
    ],
    ids=["binf", "old", "json", "ubjson", "else"],
)
def test_boosters_are_told_apart(tmp_path: Path, content: bytes, form: str) -> None:
    (tmp_path / "model.bst").write_bytes(content)
    assert gathered(tmp_path).boosters == {"model.bst": form}
    assert gathered(tmp_path).framework == "xgboost"


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("2.12.0", "2.11.0", True),
        ("2.11.1", "2.11.0", False),
        ("1.15", "2.11", False),
        ("x.y", "1.0", False),
        ("2.0-rc1", "1.15", False),
    ],
    ids=str,
)
def test_versions_are_compared_by_number(version: str, than: str, newer: bool) -> None:  # noqa: FBT001
    assert is_newer(version, than) is newer


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_graph_is_answered(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    whole = field(1, 1) + field(2, meta_graph(X, node("y", "PyFunc", "x", f=calls("f"))))
    path = tmp_path_factory.getbasetemp() / "any.pb"
    path.write_bytes(whole[:at] + noise + whole[at:])
    good = SavedModel.read(whole)
    with suppress(WireError):
        graphs.facts(path, good, None)
