"""Where a package trains and evaluates an Estimator, which goes by the roles of TF_CONFIG."""

import ast
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence, Source

_NAME: Final = "estimator.train_and_evaluate"
_VARIABLE: Final = "TF_CONFIG"
_WRITERS: Final = frozenset({"os.environ.pop", "os.environ.update", "os.putenv", "os.unsetenv"})


def trained_and_evaluated(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    """Each call of ``tf.estimator.train_and_evaluate``; none where TF_CONFIG is written anew."""
    files = list(trees.packed(evidence))
    if any(_rewrites(tree) for _, tree in files):
        return
    for source, tree in files:
        known = trees.aliases(tree)
        for call in trees.calls(tree):
            if trees.full_name(call.func, known).endswith(_NAME):
                yield source, call


def _rewrites(tree: ast.Module) -> bool:
    known = trees.aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            written = trees.full_name(node.value, known) == "os.environ"
        else:
            written = isinstance(node, ast.Call) and trees.full_name(node.func, known) in _WRITERS
        if written and any(text.value == _VARIABLE for text in trees.strings(node)):
            return True
    return False
