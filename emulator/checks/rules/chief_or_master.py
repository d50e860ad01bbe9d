"""The code looks for "chief" in TF_CONFIG where the runtime says "master", or the reverse.

Up to runtime version 1.15 the first replica is `master`, from 2.1 on it is `chief`. Code
that knows only the other word never meets it: nothing is exported, or a KeyError. Code
that knows both is left alone.
"""

import ast
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.tf_config import primary

SEVERITY: Final = Severity.ERROR
_WORDS: Final = frozenset({"chief", "master"})


def check(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.runtime.version:
        return
    ours = primary(evidence.runtime.version)
    other = next(iter(_WORDS - {ours}))
    for source, tree in trees.packed(evidence):
        words = {str(node.value) for node in trees.strings(tree)}
        if ours in words or other not in words or "TF_CONFIG" not in source.text:
            continue
        up = trees.parents(tree)
        for node in trees.strings(tree):
            if node.value == other and _reads(node, up):
                yield Finding(
                    message=f"Runtime version {evidence.runtime.version} calls the first replica "
                    f'"{ours}" in TF_CONFIG; "{other}" is never met.',
                    fix='Compare with both: task_type in ("chief", "master").',
                    path=source.path,
                    line=node.lineno,
                    cloud=f"KeyError: '{other}'",
                    verified=True,
                )


def _reads(node: ast.AST, up: dict[ast.AST, ast.AST]) -> bool:
    """Whether a word is compared with something or looked up, rather than written."""
    for ancestor, child in trees.above(node, up):
        if isinstance(ancestor, ast.Compare):
            return True
        if isinstance(ancestor, ast.Subscript):
            return isinstance(ancestor.ctx, ast.Load)
        if isinstance(ancestor, ast.Call):
            return trees.dotted(ancestor.func).endswith(".get") and child in ancestor.args[:1]
        if not isinstance(ancestor, ast.Tuple | ast.List | ast.Set):
            return False
    return False
