"""Each rule of what is read from files: one export that it must find, one that it must not."""

from typing import Any, Final

import msgspec
import pytest

from emulator.deployment import MLS1_BYTES, N1_BYTES
from emulator.exports.evidence import (
    Asset,
    Attribute,
    Checkpoint,
    Evidence,
    GraphFacts,
    Operations,
    Pickle,
    Target,
    Variable,
)
from emulator.exports.rules import every
from emulator.exports.verdict import judge
from emulator.findings import Severity
from emulator.savedmodel import Encoding, MetaGraph, SavedModel, Signature, Tensor
from tests.exports.test_verdict import PAIRS as SERVED

TARGET: Final = Target(
    version="2.11", tensorflow="2.11.0", python="3.7", scikit_learn="1.0.2", xgboost="1.6.2"
)
OLD: Final = msgspec.structs.replace(TARGET, version="1.15", tensorflow="1.15.5", xgboost="0.90")
FILES: Final = {
    "saved_model.pb": 1000,
    "variables/variables.index": 100,
    "variables/variables.data-00000-of-00001": 12,
}
CHECKPOINT: Final = Checkpoint(1, (Variable("w", 0, 12),))
KNOWN: Final = Operations("2.11", {"MatMul": frozenset({"T"})}, {"Old": "1.15"})


def tensor(dtype: str = "float32", *shape: int | None, encoding: Encoding = "dense") -> Tensor:
    return Tensor("t:0", dtype, shape, encoding)


ROWS: Final = tensor("float32", None, 3)


def signature(x: Tensor = ROWS, y: Tensor = ROWS, **outputs: Tensor) -> Signature:
    return Signature("predict", {"x": x}, {"y": y, **outputs})


def model(*ops: str, version: str = "2.11.0", tag: str = "serve", **named: Any) -> SavedModel:
    signatures: dict[str, Signature] = named or {"serving_default": signature()}
    return SavedModel(1, (MetaGraph((tag,), version, 1, ops, signatures),))


def saved(*ops: str, **changes: Any) -> Evidence:
    """A good SavedModel, and what is different about it."""
    known: dict[str, Any] = {
        "place": "export",
        "target": TARGET,
        "framework": "tensorflow",
        "model": model(*ops),
        "files": FILES,
        "checkpoint": CHECKPOINT,
    }
    return Evidence(**known | changes)


def graph(**facts: Any) -> Evidence:
    return saved(graph=GraphFacts(**facts))


def folder(*names: str, framework: Any = "", target: Target = TARGET) -> Evidence:
    files = dict.fromkeys(names, 10)
    return Evidence(place="export", target=target, files=files, framework=framework)


def pickled(name: str = "model.pkl", target: Target = TARGET, **facts: Any) -> Evidence:
    kind = "sklearn.linear_model._base.LinearRegression"
    known: dict[str, Any] = {"protocol": 3, "kind": kind, "names": (kind, "numpy.ndarray")}
    pickle = Pickle(**known | facts)
    evidence = folder(name, framework="scikit-learn", target=target)
    return msgspec.structs.replace(evidence, pickles={name: pickle})


def booster(form: str, target: Target = TARGET) -> Evidence:
    evidence = folder("model.bst", framework="xgboost", target=target)
    return msgspec.structs.replace(evidence, boosters={"model.bst": form})


def signed(*ops: str, **named: Any) -> Evidence:
    return saved(model=model(*ops, **named))


def sized(size: int, machine_type: str = "") -> Evidence:
    target = msgspec.structs.replace(TARGET, machine_type=machine_type)
    return saved(files={**FILES, "assets/large": size}, target=target)


TEXT: Final = tensor("string", None)
TWO: Final = signature(ROWS, ROWS)
TWO_PYTHON: Final = msgspec.structs.replace(TARGET, python="2.7")
NEWER_PYTHON: Final = msgspec.structs.replace(TARGET, python="3.8")
GPU: Final = msgspec.structs.replace(TARGET, machine_type="n1-standard-2")
WITHOUT_INDEX: Final = {"saved_model.pb": 1000}
SHORT: Final = {**FILES, "variables/variables.data-00000-of-00001": 4}
LIBRARY: Final = {**FILES, "assets.extra/ops.so": 10}

# rule, an export that breaks it, one that nearly does
PAIRS: Final = [
    ("no-model", folder("model.h5"), folder("export/saved_model.pb")),
    ("no-model", folder("a.txt", framework="scikit-learn"), pickled()),
    ("wrong-level", folder("1574946000/saved_model.pb"), folder("temp-157/saved_model.pb")),
    ("several-exports", folder("1/saved_model.pb", "2/saved_model.pb"), folder("1/saved_model.pb")),
    ("several-exports", saved(files={**FILES, "1/saved_model.pb": 1}), saved()),
    ("several-models", folder("model.pkl", "model.joblib"), folder("model.pkl", "other.pkl")),
    ("several-models", saved(files={**FILES, "saved_model.pbtxt": 1}), saved()),
    ("misnamed-model", folder("classifier.pkl"), folder("models/classifier.pkl")),
    ("misnamed-model", folder("my.bst"), folder("model.bst", "my.bst", framework="xgboost")),
    ("too-large", sized(N1_BYTES), sized(MLS1_BYTES - 2000)),
    ("too-large", sized(MLS1_BYTES, "mls1-c1-m2"), sized(N1_BYTES - 2000, "n1-standard-2")),
    (
        "too-many-files",
        saved(files=dict.fromkeys(map(str, range(1001)), 1)),
        saved(files=dict.fromkeys(map(str, range(1000)), 1)),
    ),
    ("partial-export", folder("temp-1574946000/saved_model.pb"), folder("template/a")),
    ("stray-files", saved(files={**FILES, "events.out.tfevents.1": 9}), saved(files=FILES)),
    ("unreadable-model", saved(unreadable="It is garbage.", model=None), saved()),
    ("no-serve-graph", saved(model=model(tag="train")), saved()),
    (
        "no-signature",
        signed(__saved_model_init_op=Signature("", {}, {"init": tensor()})),
        signed(any_name=TWO),
    ),
    ("no-default-signature", signed(a=TWO, b=TWO), signed(a=TWO, serving_default=TWO)),
    ("fixed-output-batch", signed(a=signature(y=tensor("float32", 1, 3))), signed(a=TWO)),
    (
        "input-batch",
        signed(a=signature(x=tensor("float32", 1, 3))),
        signed(a=signature(x=Tensor("x:0", "float32", None))),
    ),
    ("input-batch", signed(a=signature(x=tensor("string"))), signed(a=TWO)),
    ("scalar-output", signed(a=signature(z=tensor("float32"))), signed(a=signature(z=ROWS))),
    (
        "unservable-tensor",
        signed(a=signature(y=tensor("complex64", None))),
        signed(a=signature(y=tensor("bfloat16", None))),
    ),
    (
        "unservable-tensor",
        signed(a=signature(x=tensor("int64", None, encoding="sparse"))),
        signed(a=signature(x=tensor("int64", None))),
    ),
    (
        "text-output",
        signed("EncodeJpeg", a=signature(image=TEXT)),
        signed("EncodeJpeg", a=signature(image_bytes=TEXT)),
    ),
    ("example-input", signed("ParseExampleV2", a=signature(x=TEXT)), signed(a=signature(x=TEXT))),
    (
        "unknown-operation",
        saved("MatMul", "Old", "Mine", operations=KNOWN),
        saved("MatMul", "f_12", operations=KNOWN, graph=GraphFacts(functions=frozenset({"f_12"}))),
    ),
    ("newer-attribute", graph(unknown_attributes=(Attribute("MaxPool", "pads"),)), graph()),
    ("newer-tensorflow", saved(target=OLD), saved(model=model(version="2.11.1"))),
    ("newer-tensorflow", saved(model=model(version="2.12.0")), saved(model=model(version="odd"))),
    (
        "python-operation",
        graph(reachable=frozenset({"EagerPyFunc"})),
        saved("EagerPyFunc"),  # in a function of training's that nobody calls
    ),
    (
        "accelerator-operation",
        graph(reachable=frozenset({"TPUPartitionedCall", "CudnnRNN"})),
        saved("CudnnRNNV3", graph=GraphFacts(reachable=frozenset({"MatMul"}))),
    ),
    (
        "missing-asset",
        graph(assets=(Asset("words.txt", "Const"),)),
        saved(
            files={**FILES, "assets/words.txt": 1},
            graph=GraphFacts(assets=(Asset("words.txt", "Const"),)),
        ),
    ),
    ("outside-file", graph(text_files=("/home/ana/words.txt",)), graph()),
    (
        "missing-variables",
        saved("VarHandleOp", files=WITHOUT_INDEX, checkpoint=None),
        saved("MatMul", files=WITHOUT_INDEX, checkpoint=None),
    ),
    (
        "missing-variables",
        saved(files={**WITHOUT_INDEX, "variables/variables.index": 9}),
        saved(),
    ),
    ("broken-variables", saved(checkpoint=Checkpoint(problem="it is cut off")), saved()),
    ("broken-variables", saved(files=SHORT), saved(files={**FILES, "x": 4})),
    ("keras-code", saved(keras_code=("twice",)), saved()),
    ("broken-pickle", pickled(problem="it ends in the middle"), pickled()),
    ("pickle-runs-code", pickled(names=("posix.system",)), pickled(names=("builtins.slice",))),
    ("pickle-runs-code", pickled(names=("builtins.eval",)), pickled(names=("copyreg.__newobj__",))),
    ("pickle-protocol", pickled(protocol=5), pickled(protocol=4)),
    ("pickle-protocol", pickled(target=TWO_PYTHON), pickled(target=NEWER_PYTHON, protocol=5)),
    (
        "not-an-estimator",
        pickled(kind="builtins.dict"),
        pickled(kind="xgboost.sklearn.XGBClassifier"),
    ),
    (
        "own-code-in-pickle",
        pickled(names=("trainer.prepare.Scaler", "__main__.clean")),
        pickled(names=("sklearn.pipeline.Pipeline", "scipy.sparse.csr.csr_matrix")),
    ),
    (
        "newer-library",
        pickled(versions={"scikit-learn": "1.1.0"}),
        pickled(versions={"scikit-learn": "1.0.9"}),
    ),
    ("broken-booster", booster(""), booster("binary")),
    ("broken-booster", booster("JSON", OLD), booster("JSON")),
]
IDS: Final = [f"{rule}-{number}" for number, (rule, _, _) in enumerate(PAIRS)]


def found(evidence: Evidence) -> set[str]:
    return {finding.rule for finding in judge(evidence).findings}


@pytest.mark.parametrize(("rule", "bad", "near_miss"), PAIRS, ids=IDS)
def test_rule_finds_the_defect_and_not_the_near_miss(
    rule: str, bad: Evidence, near_miss: Evidence
) -> None:
    assert rule in found(bad)
    assert rule not in found(near_miss)


def test_good_exports_have_no_finding() -> None:
    for good in (saved("MatMul", operations=KNOWN), pickled(), booster("binary")):
        assert found(good) == set()


@pytest.mark.parametrize(
    ("evidence", "rule", "severity"),
    [
        (sized(MLS1_BYTES), "too-large", Severity.WARNING),
        (saved("Mine", operations=KNOWN, files=LIBRARY), "unknown-operation", Severity.WARNING),
        (saved("Old", operations=KNOWN, files=LIBRARY), "unknown-operation", Severity.ERROR),
        (graph(text_files=("gs://b/words.txt",)), "outside-file", Severity.WARNING),
        (
            saved(graph=GraphFacts(reachable=frozenset({"CudnnRNN"})), target=GPU),
            "accelerator-operation",
            Severity.WARNING,
        ),
        (
            signed(a=signature(x=tensor("resource")), serving_default=TWO),
            "unservable-tensor",
            Severity.WARNING,
        ),
    ],
    ids=["size", "library", "elsewhere", "bucket", "gpu", "signature"],
)
def test_severity_follows_the_case(evidence: Evidence, rule: str, severity: Severity) -> None:
    levels = {finding.level for finding in judge(evidence).findings if finding.rule == rule}
    assert levels == {severity}


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (
            signed(a=signature(y=tensor("float32", 1, 3))),
            "Outer dimension for outputs must be unknown, outer dimension of 't:0' is 1",
        ),
        (
            saved(model=model(tag="train")),
            "SavedModel must contain exactly one metagraph with tag: serve For more information",
        ),
        (folder("a.pkl"), "Could not find either model.joblib or model.pkl in /tmp/model/0001"),
        (folder("model.pkl", "model.bst"), "Multiple model files are found in the model_path"),
        (pickled(kind="a.B"), "Invalid model type detected: a.B. Please make sure the model file"),
        (pickled(target=TWO_PYTHON), "unsupported pickle protocol: 3. Please make sure the model"),
    ],
    ids=["outer", "tag", "name", "several", "kind", "protocol"],
)
def test_service_is_quoted(evidence: Evidence, text: str) -> None:
    quoted = [finding for finding in judge(evidence).findings if text in finding.cloud]
    assert quoted
    assert all(finding.verified for finding in quoted)


def test_every_rule_has_a_pair_here_or_with_the_served_ones() -> None:
    paired = {rule for pairs in (PAIRS, SERVED) for rule, _, _ in pairs}
    assert {rule.name for rule in every()} == paired


def test_every_finding_says_what_to_do() -> None:
    for _, bad, _ in PAIRS:
        for finding in judge(bad).findings:
            assert finding.message.endswith((".", ")")), finding.message
            assert finding.fix.endswith((".", "….")), finding.fix
            assert finding.path.startswith("export")
