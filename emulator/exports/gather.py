"""Evidence is gathered here: names and sizes, and what the model's own files say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.exports import checkpoints, graphs, keras, layout, operations, targets
from emulator.exports.evidence import (
    Checkpoint,
    Evidence,
    Framework,
    GraphFacts,
    Operations,
    Pickle,
    Target,
)
from emulator.exports.folders import Folder
from emulator.savedmodel import BINARY, SERVE, TEXT, SavedModel, SavedModelError
from emulator.wire import WireError

_NEEDED: Final = frozenset(
    {BINARY, TEXT, keras.METADATA, checkpoints.INDEX, *layout.PICKLES, layout.BOOSTER}
)
_HEAD: Final = 8
_PICKLE_START: Final = b"\x80"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """For what an export is to be judged; what is empty is chosen by the model."""

    version: str = ""
    python_version: str = ""
    machine_type: str = ""
    framework: Framework = ""

    def target(self, exported_by: str = "") -> Target:
        return targets.choose(
            self.version, self.python_version, self.machine_type, exported_by=exported_by
        )


def gather(folder: Folder, question: Question = Question()) -> Evidence:  # noqa: B008 - frozen
    """Everything that rules look at, without a server; the folder's files may be anything."""
    framework = question.framework or layout.framework(folder.files)
    root = folder.local(_NEEDED.__contains__)
    evidence = Evidence(
        place=folder.place, target=question.target(), files=folder.files, framework=framework
    )
    if framework == "tensorflow":
        if layout.SAVED_MODEL & folder.files.keys():
            return _saved_model(evidence, root, question)
        return evidence
    return _pickled(evidence, root) if framework else evidence


def _saved_model(evidence: Evidence, root: Path, question: Question) -> Evidence:
    try:
        model = SavedModel.read(root)
    except SavedModelError as error:
        text = str(error).replace(str(root), evidence.place.rstrip("/"))
        return msgspec.structs.replace(evidence, unreadable=text)
    served = next(iter(model.tagged(SERVE)), model.meta_graphs[0])
    target = question.target(served.tensorflow_version)
    known = operations.of(target.tensorflow)
    facts, missing = _facts(root, model, known)
    if known is None:
        names = " and ".join(operations.versions())
        text = f"those of TensorFlow {target.tensorflow} are not known here, only of {names}"
        missing = (*missing, f"Operations: {text}.")
    return msgspec.structs.replace(
        evidence,
        target=target,
        model=model,
        graph=facts,
        checkpoint=_checkpoint(root, evidence),
        keras_code=keras.lambdas(root),
        operations=known,
        not_checked=missing,
    )


def _facts(
    root: Path, model: SavedModel, known: Operations | None
) -> tuple[GraphFacts, tuple[str, ...]]:
    path = root / BINARY
    if not path.exists():
        return GraphFacts(), (f"The inside of the graph: {TEXT} is read for its signatures only.",)
    try:
        return graphs.facts(path, model, known), ()
    except (OSError, WireError) as error:
        return GraphFacts(), (f"The inside of the graph: {error}.",)


def _checkpoint(root: Path, evidence: Evidence) -> Checkpoint | None:
    return checkpoints.read(root / checkpoints.INDEX) if _has_index(evidence) else None


def _has_index(evidence: Evidence) -> bool:
    return checkpoints.INDEX in evidence.files


def _pickled(evidence: Evidence, root: Path) -> Evidence:
    from emulator.exports import pickles  # noqa: PLC0415 - only for these models: it takes time

    found: dict[str, Pickle] = {}
    boosters: dict[str, str] = {}
    for name in layout.model_files(evidence.files):
        form = _booster(root / name) if name == layout.BOOSTER else "pickle"
        if form == "pickle":
            found[name] = pickles.scan(root / name)
        else:
            boosters[name] = form
    framework = evidence.framework
    if any("xgboost" in pickle.kind for pickle in found.values()):
        framework = "xgboost"
    return msgspec.structs.replace(
        evidence,
        framework=framework,
        pickles=found,
        boosters=boosters,
        not_checked=tuple(_unread(found)),
    )


def _unread(found: dict[str, Pickle]) -> Iterator[str]:
    for name, pickle in found.items():
        if pickle.compression == "lz4":
            yield f"{name}: it is compressed with lz4, which is not read here."


def _booster(path: Path) -> str:
    """The format of a file of XGBoost: "pickle", "JSON", "UBJSON", "binary" or ""."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_PICKLE_START):
        return "pickle"
    if head.startswith((b"{L", b"{i", b"{U", b"{S")):
        return "UBJSON"
    if head.startswith(b"{"):
        return "JSON"
    return "binary" if head.startswith((b"binf", b"bs64", b"\0\0\0\x3f")) else ""
