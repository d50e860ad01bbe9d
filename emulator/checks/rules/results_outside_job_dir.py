"""A model is saved to a local path, and nothing is copied to Cloud Storage.

The replica's disk is gone when the job ends: it SUCCEEDED, and nothing is kept. A package
that uploads by itself (google.cloud.storage, gsutil, gfile.copy) is left alone.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_UPLOADS: Final = re.compile(
    r"google\.cloud|gsutil|gfile\.(?:copy|Copy|GFile|Open)|upload_from|gcsfs|hypertune_upload"
)
_SAVERS: Final = {
    "tensorflow.saved_model.save": (1, ("export_dir",)),
    "tensorflow.keras.models.save_model": (1, ("filepath",)),
    "keras.models.save_model": (1, ("filepath",)),
    "joblib.dump": (1, ("filename",)),
    "sklearn.externals.joblib.dump": (1, ("filename",)),
    "torch.save": (1, ("f",)),
    "tensorflow.keras.callbacks.ModelCheckpoint": (0, ("filepath",)),
}
_METHODS: Final = {
    "save": (0, ("filepath",)),
    "save_model": (0, ("fname",)),
    "save_weights": (0, ("filepath",)),
    "export_saved_model": (0, ("export_dir_base",)),
    "export_savedmodel": (0, ("export_dir_base",)),
}


def check(evidence: Evidence) -> Iterator[Finding]:
    whole = "\n".join(source.text for source in evidence.packed)
    if _UPLOADS.search(whole):
        return
    for source, tree in trees.packed(evidence):
        known = trees.aliases(tree)
        constants = _constants(tree)
        for call in trees.calls(tree):
            for path in _local_paths(call, known, constants):
                yield Finding(
                    message=f"This is written to {path!r} on the replica's own disk, which is "
                    "gone when the job ends.",
                    fix="Write below the folder of --job-dir.",
                    path=source.path,
                    line=call.lineno,
                    cloud="Job completed successfully. (And nothing of it is kept.)",
                    verified=False,
                )


def _local_paths(call: ast.Call, known: dict[str, str], constants: dict[str, str]) -> Iterator[str]:
    name = trees.full_name(call.func, known)
    last = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    place = _SAVERS.get(name) or (_METHODS.get(last) if last else None)
    if place is not None:
        node = trees.argument(call, place[0], *place[1])
        if node is not None and (path := _literal(node, constants)):
            yield path
    for keyword in call.keywords:
        if keyword.arg == "model_dir" and (path := _literal(keyword.value, constants)):
            yield path


def _literal(node: ast.AST, constants: dict[str, str]) -> str:
    """A local path that is written out; "" for anything else."""
    text = ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.Name):
        text = constants.get(node.id, "")
    elif isinstance(node, ast.Call) and trees.dotted(node.func) == "os.path.join" and node.args:
        text = _literal(node.args[0], constants)
    return "" if "://" in text or text.startswith("/gcs/") else text


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names of the module that are assigned once, to a text."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    found[target.id] = node.value.value
    return found
