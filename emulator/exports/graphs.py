"""What the served graph of a SavedModel says beyond its signatures, read where there is reason."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.exports.evidence import Asset, Attribute, GraphFacts, Operations
from emulator.savedmodel import SERVE, MetaGraph, SavedModel
from emulator.wire import Buffer, Message

_ASSETS: Final = "saved_model_assets"
_TEXT_FILE: Final = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_PASSES_ON: Final = frozenset({"Identity", "Const"})
_MAX_STEPS: Final = 20
PYTHON: Final = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
TPU: Final = "TPU"
GPU: Final = ("Cudnn", "Nccl")


class Node(msgspec.Struct, frozen=True):
    """An operation in a graph; attributes are kept as they are."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: dict[str, Message] = {}


class Graph(msgspec.Struct, frozen=True):
    """The nodes of a graph by name, its functions unread, and the producer's defaults."""

    nodes: dict[str, Node]
    functions: dict[str, Message]
    defaults: dict[tuple[str, str], bytes] = {}


def facts(path: Path, model: SavedModel, operations: Operations | None) -> GraphFacts:
    """What rules want to know of the graph tagged "serve" in a binary SavedModel; may WireError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        return _facts(buffer, model, operations)


def _facts(buffer: Buffer, model: SavedModel, operations: Operations | None) -> GraphFacts:
    graphs = [index for index, graph in enumerate(model.meta_graphs) if set(graph.tags) == {SERVE}]
    if len(graphs) != 1:
        return GraphFacts()
    known = model.meta_graphs[graphs[0]]
    message = list(Message(buffer).messages(2))[graphs[0]]
    assets = tuple(map(_asset, _asset_files(message)))
    newer = operations is not None and is_newer(known.tensorflow_version, operations.tensorflow)
    suspicious = any(op in PYTHON or op.startswith((TPU, *GPU)) for op in known.ops)
    strange = operations is not None and not set(known.ops) <= operations.attributes.keys()
    if not (newer or suspicious or strange or _TEXT_FILE & set(known.ops)):
        return GraphFacts(assets=assets)
    graph = read(message)
    reached = list(reachable(graph, _outputs(known)))
    fed = {asset.node for asset in assets}
    unknown = unknown_attributes(graph, reached, operations) if newer and operations else ()
    return GraphFacts(
        assets=assets,
        functions=frozenset(graph.functions),
        reachable=frozenset(node.op for node in reached),
        text_files=tuple(text_files(graph, fed)),
        unknown_attributes=tuple(sorted(set(unknown), key=lambda it: (it.op, it.name))),
    )


def is_newer(version: str, than: str) -> bool:
    """Whether a version is later than another, by major and minor; unknown ones are not."""
    return (_numbers(version) or (0, 0)) > (_numbers(than) or (0, 0))


def _numbers(version: str) -> tuple[int, int] | None:
    parts = version.split(".")[:2]
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() for part in parts):  # noqa: PLR2004
        return None
    return int(parts[0]), int(parts[1])


def _outputs(graph: MetaGraph) -> set[str]:
    """Names of the nodes that requests and the initialiser ask for."""
    tensors = [t.name for s in graph.signatures.values() for t in s.outputs.values()]
    return {name.partition(":")[0] for name in tensors}


def read(meta_graph: Message) -> Graph:
    """The graph of a MetaGraphDef with its functions."""
    nodes: dict[str, Node] = {}
    functions: dict[str, Message] = {}
    for graph in meta_graph.messages(2):
        nodes |= {node.name: node for node in map(_node, graph.messages(1))}
        for library in graph.messages(2):
            for function in library.messages(1):
                functions[_function_name(function)] = function
    return Graph(nodes, functions, dict(_defaults(meta_graph)))


def reachable(graph: Graph, names: Iterable[str]) -> Iterator[Node]:
    """The nodes that some nodes need, with every node of the functions they call."""
    waiting = [graph.nodes[name] for name in names if name in graph.nodes]
    seen = {node.name for node in waiting}
    called: set[str] = set()
    while waiting:
        node = waiting.pop()
        yield node
        for name in _needs(node):
            if name not in seen and name in graph.nodes:
                seen.add(name)
                waiting.append(graph.nodes[name])
        yield from _bodies(graph, node, called)


def _bodies(graph: Graph, caller: Node, called: set[str]) -> Iterator[Node]:
    waiting = [caller]
    while waiting:
        node = waiting.pop()
        for name in _functions_of(node):
            if name not in called and name in graph.functions:
                called.add(name)
                body = [_node(found) for found in graph.functions[name].messages(3)]
                yield from body
                waiting += body


def _needs(node: Node) -> Iterator[str]:
    for name in node.inputs:
        yield name.removeprefix("^").partition(":")[0]


def _functions_of(node: Node) -> Iterator[str]:
    """Functions that a node names in its attributes, or by its operation as TensorFlow 1 does."""
    yield node.op
    for value in node.attributes.values():
        for found in value.messages(10):  # AttrValue.func
            yield _text(found, 1)
        for found in value.messages(1):  # AttrValue.list, of functions
            for function in found.messages(9):
                yield _text(function, 1)


def text_files(graph: Graph, fed: set[str]) -> Iterator[str]:
    """Paths of vocabularies that are constants of the graph and are fed no asset's path."""
    for node in graph.nodes.values():
        if node.op in _TEXT_FILE and len(node.inputs) > 1:
            source = _source(graph, node.inputs[1])
            if source is not None and source.op == "Const" and source.name not in fed:
                yield from _strings(source)


def _source(graph: Graph, name: str) -> Node | None:
    """The node that a value comes from, through nodes that pass it on."""
    for _ in range(_MAX_STEPS):
        node = graph.nodes.get(name.removeprefix("^").partition(":")[0])
        if node is None or node.op not in _PASSES_ON or node.op == "Const" or not node.inputs:
            return node
        name = node.inputs[0]
    return None


def unknown_attributes(
    graph: Graph, reached: Iterable[Node], operations: Operations
) -> Iterator[Attribute]:
    """Attributes that the runtime does not know and that its loader would not take away.

    It takes away, from nodes outside functions, those that have their producer's default.
    """
    for node in reached:
        known = operations.attributes.get(node.op)
        if known is None:
            continue
        outside = graph.nodes.get(node.name) is node
        for name, value in node.attributes.items():
            if name in known or name.startswith("_"):
                continue
            if not outside or graph.defaults.get((node.op, name)) != value.content():
                yield Attribute(node.op, name)


# The numbers are those of node_def.proto, function.proto, op_def.proto and attr_value.proto.


def _node(message: Message) -> Node:
    name = op = ""
    inputs = []
    attributes = {}
    for field in message:
        match field:
            case 1, Message() as text:
                name = text.text()
            case 2, Message() as text:
                op = text.text()
            case 3, Message() as text:
                inputs.append(text.text())
            case 5, Message() as entry:
                attributes[_text(entry, 1)] = entry.first(2)
            case _:
                pass
    return Node(name, op, tuple(inputs), attributes)


def _function_name(message: Message) -> str:
    return _text(message.first(1), 1)


def _asset_files(meta_graph: Message) -> list[Message]:
    """AssetFileDefs: a field of TensorFlow 2, a collection of TensorFlow 1."""
    if found := list(meta_graph.messages(6)):
        return found
    collections = [entry for entry in meta_graph.messages(4) if _text(entry, 1) == _ASSETS]
    lists = [found for entry in collections for it in entry.messages(2) for found in it.messages(5)]
    wrapped = [any_ for found in lists for any_ in found.messages(1)]
    return [asset for any_ in wrapped for asset in any_.messages(2)]


def _asset(message: Message) -> Asset:
    tensor = _text(message.first(1), 1)
    return Asset(_text(message, 2), tensor.partition(":")[0])


def _strings(node: Node) -> Iterator[str]:
    """The values of a constant of strings."""
    for value in node.attributes.get("value", Message(b"")).messages(8):  # AttrValue.tensor
        for text in value.messages(8):  # TensorProto.string_val
            yield text.content().decode("utf-8", "replace")


def _defaults(meta_graph: Message) -> Iterator[tuple[tuple[str, str], bytes]]:
    """The default values of attributes, as the exporting TensorFlow had them."""
    for info in meta_graph.messages(1):
        for ops in info.messages(2):
            for op in ops.messages(1):
                for attribute in op.messages(4):
                    for value in attribute.messages(3):
                        yield (_text(op, 1), _text(attribute, 1)), value.content()


def _text(message: Message, number: int) -> str:
    return message.first(number).text()
