"""tf.contrib is used, and the runtime has TensorFlow 2.

It ended with 1.15. A use that is guarded by a test of the version, or whose failure is
handled, is left alone.
"""

import ast
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.runtime.tensorflow_major < 2:  # noqa: PLR2004 - TensorFlow 2
        return
    for source, tree in trees.packed(evidence):
        known = trees.aliases(tree)
        up = trees.parents(tree)
        for node in ast.walk(tree):
            if _uses(node, known) and not _guarded(node, up):
                line = getattr(node, "lineno", 0)
                imported = isinstance(node, ast.Import | ast.ImportFrom)
                yield Finding(
                    message=f"tf.contrib is not in TensorFlow {evidence.runtime.tensorflow}.",
                    fix="Use runtime version 1.15, or what took its place (tensorflow_addons, "
                    "tf_slim, tf.estimator, tf.distribute).",
                    path=source.path,
                    line=line,
                    cloud="ModuleNotFoundError: No module named 'tensorflow.contrib'"
                    if imported
                    else "AttributeError: module 'tensorflow' has no attribute 'contrib'",
                    verified=True,
                )


def _uses(node: ast.AST, known: dict[str, str]) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.startswith("tensorflow.contrib") for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        names = {alias.name for alias in node.names}
        return module.startswith("tensorflow.contrib") or (
            module == "tensorflow" and "contrib" in names
        )
    return isinstance(node, ast.Attribute) and trees.full_name(node, known) == "tensorflow.contrib"


def _guarded(node: ast.AST, up: dict[ast.AST, ast.AST]) -> bool:
    for ancestor, child in trees.above(node, up):
        if isinstance(ancestor, ast.Try) and child in ancestor.body and ancestor.handlers:
            return True
        if isinstance(ancestor, ast.If | ast.IfExp):
            text = ast.dump(ancestor.test)
            if any(word in text for word in ("ersion", "VERSION", "hasattr", "TF2", "tf2")):
                return True
    return False
