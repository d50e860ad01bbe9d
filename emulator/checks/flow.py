"""Which expressions of a package hold a path that is gs:// on the service.

A modest analysis: names like ``job_dir`` and the arguments that the job sets to gs:// are
followed through assignments, path joins and calls of the package's own functions.
"""

import ast
from collections.abc import Iterable
from typing import Final

import msgspec

from emulator.checks import trees
from emulator.checks.evidence import Evidence, Source

_ALWAYS: Final = ("job_dir", "job-dir", "jobdir")
_KEEP: Final = frozenset(
    {"join", "format", "str", "rstrip", "strip", "replace", "fspath", "normpath", "dirname"}
    | {"lower", "decode", "encode", "get", "pop", "getattr"}
)
_ROUNDS: Final = 6
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Flow:
    """``holds(source, node)``: whether an expression may be a gs:// path."""

    def __init__(self, evidence: Evidence) -> None:
        self._keys = frozenset(_keys(evidence))
        self._names: dict[tuple[str, str], set[str]] = {}
        self._functions: dict[str, list[tuple[Source, _Function]]] = {}
        self._scopes: dict[ast.AST, str] = {}
        self._trees = list(trees.packed(evidence))
        for source, tree in self._trees:
            self._index(source, tree, "")
        for _ in range(_ROUNDS):
            before = sum(map(len, self._names.values()))
            for source, tree in self._trees:
                self._follow(source, tree)
            if sum(map(len, self._names.values())) == before:
                break

    def holds(self, source: Source, node: ast.AST) -> bool:
        """Names and constants decide by themselves, everything else by its parts."""
        match node:
            case ast.Name(id=name):
                return name in self._keys or name in self._known(source, node)
            case ast.Attribute(attr=name):
                return name in self._keys
            case ast.Constant(value=str(text)):
                return text.startswith("gs://")
            case ast.Call():
                return self._of_call(source, node)
            case _:
                return self._of_parts(source, node)

    def _of_parts(self, source: Source, node: ast.AST) -> bool:
        parts: list[ast.AST] = []
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
                if name in self._keys:
                    return True
                parts = [value]
            case ast.BinOp(left=left, right=ast.Tuple(elts=[first, *_])):
                parts = [left, first]
            case ast.BinOp(left=left, right=right):
                parts = [left, right]
            case ast.BoolOp(values=values):
                parts = [*values]
            case ast.IfExp(body=body, orelse=orelse):
                return self.holds(source, body) and self.holds(source, orelse)
            case ast.JoinedStr(values=[first, *_]) | ast.FormattedValue(value=first):
                parts = [first]
            case _:
                return False
        return any(self.holds(source, part) for part in parts)

    def _of_call(self, source: Source, node: ast.Call) -> bool:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else trees.dotted(node.func)
        if name not in _KEEP:
            return False
        if name in {"get", "pop", "getattr"}:
            texts = [it.value for it in node.args if isinstance(it, ast.Constant)]
            return any(text in self._keys for text in texts)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        template = owner if isinstance(owner, ast.Constant) else None
        if template is not None and not str(template.value).startswith(("{", "gs://")):
            return False
        first = [owner] if owner is not None and template is None else []
        return any(self.holds(source, each) for each in (*first, *node.args[:1]))

    def _index(self, source: Source, tree: ast.AST, scope: str) -> None:
        for child in ast.iter_child_nodes(tree):
            self._scopes[child] = scope
            inner = scope
            if isinstance(child, _Function):
                self._functions.setdefault(child.name, []).append((source, child))
                inner = f"{scope}.{child.name}:{child.lineno}"
            self._index(source, child, inner)

    def _known(self, source: Source, node: ast.AST) -> set[str]:
        scope = self._scopes.get(node, "")
        local = self._names.get((source.inside, scope), set())
        return local | self._names.get((source.inside, ""), set())

    def _add(self, source: Source, scope: str, name: str) -> None:
        self._names.setdefault((source.inside, scope), set()).add(name)

    def _follow(self, source: Source, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            scope = self._scopes.get(node, "")
            if isinstance(node, ast.Assign) and self.holds(source, node.value):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._add(source, scope, target.id)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                if isinstance(node.target, ast.Name) and self.holds(source, node.value):
                    self._add(source, scope, node.target.id)
            elif isinstance(node, ast.Call):
                self._pass_on(source, node)

    def _pass_on(self, source: Source, call: ast.Call) -> None:
        name = trees.dotted(call.func).rpartition(".")[2]
        for home, function in self._functions.get(name, ()):
            params = [it.arg for it in (*function.args.posonlyargs, *function.args.args)]
            if params[:1] in (["self"], ["cls"]):
                params = params[1:]
            inner = f"{self._scopes[function]}.{function.name}:{function.lineno}"
            for param, value in zip(params, call.args, strict=False):
                if self.holds(source, value):
                    self._add(home, inner, param)
            for keyword in call.keywords:
                if keyword.arg and self.holds(source, keyword.value):
                    self._add(home, inner, keyword.arg)


def _keys(evidence: Evidence) -> Iterable[str]:
    """Names of arguments that are gs:// when the job runs."""
    yield from _ALWAYS
    args = evidence.request.training.args
    for at, item in enumerate(args):
        name, equals, value = item.partition("=")
        following = args[at + 1] if at + 1 < len(args) else ""
        if name.startswith("-") and (value if equals else following).startswith("gs://"):
            yield name.lstrip("-").replace("-", "_")


def guarded(node: ast.AST, up: dict[ast.AST, ast.AST]) -> bool:
    """Whether a place is only reached when a path is none of gs:// (or someone handles both)."""
    for ancestor, _ in trees.above(node, up):
        if isinstance(ancestor, ast.If | ast.IfExp):
            test = ast.walk(ancestor.test)
            texts = {str(it.value) for it in test if isinstance(it, ast.Constant)}
            if texts & {"gs:", "gs:/", "gs://", "gs"}:
                return True
    return False


class Place(msgspec.Struct, frozen=True):
    """How a function takes a path: the position of its argument, and that argument's names."""

    position: int
    names: tuple[str, ...] = ()
    only_suffix: tuple[str, ...] = ()
