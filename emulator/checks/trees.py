"""Questions about syntax trees that several rules ask."""

import ast
from collections.abc import Iterator
from typing import Final

import msgspec

from emulator.checks.evidence import Evidence, Source

_IMPORT_ERRORS: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


class Imported(msgspec.Struct, frozen=True):
    """An import of ``module``; ``name`` is what is taken from it (``from module import name``).

    ``optional`` when its failure is handled, ``deferred`` when a function does it.
    """

    module: str
    name: str
    line: int
    optional: bool = False
    deferred: bool = False


def packed(evidence: Evidence) -> Iterator[tuple[Source, ast.Module]]:
    """The parsed sources that the service would have."""
    for source in evidence.packed:
        if source.tree is not None:
            yield source, source.tree


def dotted(node: ast.AST) -> str:
    """``tf.io.gfile`` of an attribute, "" of anything that is not a plain chain of names."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(names)])


def aliases(tree: ast.Module) -> dict[str, str]:
    """What local names stand for: ``{"np": "numpy", "dump": "joblib.dump"}``."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                found[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def full_name(node: ast.AST, known: dict[str, str]) -> str:
    """A call's or attribute's name with the aliases of its file resolved."""
    head, dot, rest = dotted(node).partition(".")
    return f"{known.get(head, head)}{dot}{rest}"


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def above(node: ast.AST, tree: dict[ast.AST, ast.AST]) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every (ancestor, its child on the way), the nearest first."""
    while node in tree:
        yield tree[node], node
        node = tree[node]


def docstrings(tree: ast.AST) -> set[ast.AST]:
    """Constants that stand alone as statements: text for people."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """String constants that the program uses, help texts left out."""
    texts = docstrings(tree)
    helps = {
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in {"help", "description", "epilog", "metavar"}
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if isinstance(node, ast.Constant) and is_text and node not in texts | helps:
            yield node


def imports(source: Source, tree: ast.Module) -> Iterator[Imported]:
    """Every import by its absolute name."""
    up = parents(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        optional = deferred = False
        for ancestor, child in above(node, up):
            deferred |= isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            optional |= isinstance(ancestor, ast.Try) and (
                (child in ancestor.body and _handles_imports(ancestor))
                or child in ancestor.handlers
            )
            optional |= isinstance(ancestor, ast.If)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(alias.name, "", node.lineno, optional, deferred)
        else:
            base = _absolute(source, node)
            for alias in node.names:
                yield Imported(base, alias.name, node.lineno, optional, deferred)


def _handles_imports(node: ast.Try) -> bool:
    for handler in node.handlers:
        names = {dotted(each) for each in ast.walk(handler.type)} if handler.type else {"Exception"}
        if names & _IMPORT_ERRORS:
            return True
    return False


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = source.module.split(".")
    is_package = source.inside.endswith("__init__.py")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def argument(call: ast.Call, position: int, *names: str) -> ast.expr | None:
    """An argument by its position or one of its names."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    if 0 <= position < len(call.args):
        return call.args[position]
    return None
