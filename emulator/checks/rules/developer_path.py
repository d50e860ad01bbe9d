"""The code names a folder of a developer's machine.

`/home/…`, `/Users/…`, a drive letter, Colab's and Kaggle's folders do not exist on the
service. The default of an argument is a warning, and left alone where the job passes that
argument.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from emulator.checks import arguments, trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_OWN: Final = re.compile(
    r"(?:/home/|/Users/|~/|/content/|/kaggle/|/media/|file:///|[A-Za-z]:[\\/])[^\s'\"]*"
)


def check(evidence: Evidence) -> Iterator[Finding]:
    given = {flag.partition("=")[0] for flag in arguments.flags(evidence)}
    for source, tree in trees.packed(evidence):
        up = trees.parents(tree)
        for node in trees.strings(tree):
            text = str(node.value)
            if not _OWN.fullmatch(text):
                continue
            option = _default_of(node, up)
            if option & given:
                continue
            yield Finding(
                message=f"{text} is a folder of some machine; the service does not have it.",
                fix="Take the path from an argument, and keep the data in gs://.",
                path=source.path,
                line=node.lineno,
                cloud=f"FileNotFoundError: [Errno 2] No such file or directory: '{text}'",
                verified=False,
                severity=Severity.WARNING if option else None,
            )


def _default_of(node: ast.AST, up: dict[ast.AST, ast.AST]) -> set[str]:
    """The names of the argument whose default a constant is."""
    keyword = up.get(node)
    call = up.get(keyword) if isinstance(keyword, ast.keyword) else None
    if not isinstance(keyword, ast.keyword) or keyword.arg != "default":
        return set()
    if not isinstance(call, ast.Call):
        return set()
    return {str(it.value) for it in call.args if isinstance(it, ast.Constant)}
