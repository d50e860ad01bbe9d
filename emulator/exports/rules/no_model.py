"""The folder holds nothing that the service would look for.

A version's folder has saved_model.pb (TensorFlow), or model.joblib, model.pkl or model.bst
(scikit-learn, XGBoost), and has it at the top. Checkpoints, Keras' own files, TensorFlow Lite
and the inside of a SavedModel are none of these.
"""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import bad_model
from emulator.exports import layout, service
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR

_OTHERS: Final = {
    ".h5": "a Keras model: export it with tf.saved_model.save(model, folder)",
    ".hdf5": "a Keras model: export it with tf.saved_model.save(model, folder)",
    ".keras": "a Keras model: export it with model.export(folder) or tf.saved_model.save",
    ".tflite": "a TensorFlow Lite model: the service wants the SavedModel it was made of",
    ".onnx": "an ONNX model: the service does not serve it",
    ".index": "a training's checkpoint: export a SavedModel from it",
    ".pt": "a PyTorch model: it needs a container of its own",
    ".pth": "a PyTorch model: it needs a container of its own",
}
_WANTED: Final = {
    "scikit-learn": "Could not find either model.joblib or model.pkl in /tmp/model/0001",
    "xgboost": "Could not find model.joblib, model.pkl, or model.bst in /tmp/model/0001",
}


def check(evidence: Evidence) -> Iterator[Finding]:
    files = evidence.files
    wanted = evidence.framework or "tensorflow"
    found = layout.model_files(files) if wanted in _WANTED else layout.SAVED_MODEL & files.keys()
    if found or layout.exports_below(files) or layout.misnamed(files):
        return
    text = _WANTED.get(wanted)
    yield Finding(
        message=f"There is no {wanted} model in {evidence.place}"
        + ("." if files else ": it is empty."),
        fix=_fix(evidence),
        path=evidence.place,
        cloud=bad_model(text) if text else service.no_saved_model(evidence.place),
        verified=bool(text),
    )


def _fix(evidence: Evidence) -> str:
    if any(name.startswith("variables.") for name in evidence.files):
        parent = evidence.place.rstrip("/").rpartition("/")[0] or ".."
        return f"These are the variables of a SavedModel: deploy {parent} instead."
    for ending, words in _OTHERS.items():
        if name := next((name for name in sorted(evidence.files) if name.endswith(ending)), ""):
            return f"{name} is {words}."
    return "Name the folder that the export wrote: the one that holds saved_model.pb."
