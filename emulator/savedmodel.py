"""A SavedModel's tags, signatures and operations, read from its file without TensorFlow."""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from emulator.errors import CmleError
from emulator.textformat import NUMBER, Enum, Schema, to_wire
from emulator.textformat import TEXT as STRING
from emulator.wire import Buffer, Message, WireError, signed

BINARY: Final = "saved_model.pb"
TEXT: Final = "saved_model.pbtxt"
SERVE: Final = "serve"
DEFAULT_SIGNATURE: Final = "serving_default"
INIT_OP: Final = "__saved_model_init_op"  # TensorFlow 2 files its initialiser as a signature
MAX_BYTES: Final = (1 << 31) - 1  # what a protocol buffer can be
MAX_TEXT_BYTES: Final = 64 << 20  # a text is read as a whole
MAX_RANK: Final = 254  # TensorFlow's own

# DataType of tensorflow/core/framework/types.proto
_DTYPES: Final = {
    0: "invalid",
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    29: "int4",
    30: "uint4",
}
_REFERENCE: Final = 100  # added to a type's number for a reference to it

Encoding = Literal["dense", "sparse", "composite"]


def _dtype_names() -> Enum:
    odd = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
    names = {f"DT_{odd.get(name, name.upper())}": number for number, name in _DTYPES.items()}
    references = {f"{name}_REF": number + _REFERENCE for name, number in names.items()}
    return Enum(names | references)


def _map_of(value: Schema) -> Schema:
    return {"key": (1, STRING), "value": (2, value)}


# The same numbers as in the functions below, by name: what is read of the text format.
_TENSOR: Final[Schema] = {
    "name": (1, STRING),
    "dtype": (2, _dtype_names()),
    "tensor_shape": (3, {"dim": (2, {"size": (1, NUMBER)}), "unknown_rank": (3, NUMBER)}),
    "coo_sparse": (4, {}),
    "composite_tensor": (5, {}),
}
_SIGNATURE: Final[Schema] = {
    "inputs": (1, _map_of(_TENSOR)),
    "outputs": (2, _map_of(_TENSOR)),
    "method_name": (3, STRING),
}
_GRAPH: Final[Schema] = {
    "node": (1, {"op": (2, STRING)}),
    "library": (2, {"function": (1, {"node_def": (3, {"op": (2, STRING)})})}),
    "versions": (4, {"producer": (1, NUMBER)}),
}
_META_GRAPH: Final[Schema] = {
    "meta_info_def": (1, {"tags": (4, STRING), "tensorflow_version": (5, STRING)}),
    "graph_def": (2, _GRAPH),
    "signature_def": (5, _map_of(_SIGNATURE)),
}
_SAVED_MODEL: Final[Schema] = {
    "saved_model_schema_version": (1, NUMBER),
    "meta_graphs": (2, _META_GRAPH),
}


class SavedModelError(CmleError):
    """The files are no SavedModel that can be read; the message says why, as a sentence."""


class Tensor(msgspec.Struct, frozen=True):
    """One input or output. ``shape`` None: unknown rank; a dimension None: unknown size.

    ``name`` is the tensor's name in the graph; it is empty unless ``encoding`` is "dense".
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None = None
    encoding: Encoding = "dense"


class Signature(msgspec.Struct, frozen=True):
    """What can be asked of a model: tensors by alias."""

    method: str = ""
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}


class MetaGraph(msgspec.Struct, frozen=True):
    """One graph of a SavedModel. ``ops`` are the operations its nodes and functions use, sorted."""

    tags: tuple[str, ...] = ()
    tensorflow_version: str = ""
    producer: int = 0
    ops: tuple[str, ...] = ()
    signatures: dict[str, Signature] = {}

    @property
    def callable_signatures(self) -> dict[str, Signature]:
        """The signatures without TensorFlow's own entry for its initialiser."""
        return {name: s for name, s in self.signatures.items() if name != INIT_OP}


class SavedModel(msgspec.Struct, frozen=True):
    """What ``saved_model.pb`` says of itself."""

    schema_version: int = 0
    meta_graphs: tuple[MetaGraph, ...] = ()

    @classmethod
    def read(cls, source: Path | bytes) -> Self:
        """Read a SavedModel's directory, its file (binary or text), or a binary file's bytes.

        SavedModelError if there is none or it cannot be read.
        """
        if isinstance(source, bytes):
            return cls._parse(source, "The SavedModel")
        path = source / BINARY if source.is_dir() else source
        if source.is_dir() and not path.exists() and (source / TEXT).exists():
            path = source / TEXT
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                is_text = path.suffix == ".pbtxt"
                limit = MAX_TEXT_BYTES if is_text else MAX_BYTES
                if not 0 < size <= limit:
                    raise SavedModelError(
                        f"{path} has {size} bytes; a SavedModel that can be read has 1 to {limit}."
                    )
                if is_text:
                    file.seek(0)
                    return cls._parse_text(file.read(), str(path))
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
                    return cls._parse(buffer, str(path))
        except OSError as error:
            raise SavedModelError(f"{path} cannot be read: {error.strerror}.") from error

    @classmethod
    def _parse_text(cls, content: bytes, where: str) -> Self:
        try:
            buffer = to_wire(content.decode(), _SAVED_MODEL)
        except UnicodeDecodeError as error:
            raise SavedModelError(f"{where} is no readable SavedModel: it is not UTF-8.") from error
        except WireError as error:
            raise SavedModelError(f"{where} is no readable SavedModel: {error}.") from error
        return cls._parse(buffer, where)

    @classmethod
    def _parse(cls, buffer: Buffer, where: str) -> Self:
        schema_version = 0
        graphs = []
        try:
            for field in Message(buffer):
                match field:
                    case 1, int(version):
                        schema_version = signed(version)
                    case 2, Message() as graph:
                        graphs.append(_meta_graph(graph))
                    case _:
                        pass
        except WireError as error:
            raise SavedModelError(f"{where} is no readable SavedModel: {error}.") from error
        if not graphs:
            raise SavedModelError(f"{where} is no SavedModel: it has no meta graph.")
        return cls(schema_version, tuple(graphs))

    def tagged(self, *tags: str) -> tuple[MetaGraph, ...]:
        """The meta graphs with exactly these tags, as TensorFlow's loader compares them."""
        return tuple(graph for graph in self.meta_graphs if set(graph.tags) == set(tags))


# The numbers below are those of saved_model.proto, meta_graph.proto, graph.proto and kin. A field
# of another kind than its schema's is passed over, as by every reader of protocol buffers.


def _meta_graph(message: Message) -> MetaGraph:
    tags: list[str] = []
    version, producer = "", 0
    ops: set[str] = set()
    signatures: dict[str, Signature] = {}
    for field in message:
        match field:
            case 1, Message() as info:
                tags += [tag.text() for tag in info.messages(4)]
                version = info.first(5).text() or version
            case 2, Message() as graph:
                producer = _graph(graph, ops)
            case 5, Message() as entry:
                name, value = _entry(entry)
                signatures[name] = _signature(value)
            case _:
                pass
    return MetaGraph(
        tags=tuple(tags),
        tensorflow_version=version,
        producer=producer,
        ops=tuple(sorted(ops)),
        signatures=dict(sorted(signatures.items())),
    )


def _graph(graph: Message, ops: set[str]) -> int:
    """Collect the operations of a GraphDef and its functions; answer the producer's version."""
    producer = 0
    for field in graph:
        match field:
            case 1, Message() as node:
                ops.add(_op(node))
            case 2, Message() as library:
                for function in library.messages(1):
                    ops.update(map(_op, function.messages(3)))
            case 4, Message() as versions:
                producer = _number(versions)
            case _:
                pass
    ops.discard("")
    return producer


def _op(node: Message) -> str:
    """The operation of a NodeDef; what follows it (attributes, constants) is not looked at."""
    return node.first(2).text()


def _signature(message: Message) -> Signature:
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    method = ""
    for field in message:
        match field:
            case (1 | 2) as number, Message() as entry:
                alias, value = _entry(entry)
                (inputs if number == 1 else outputs)[alias] = _tensor(value)
            case 3, Message() as text:
                method = text.text()
            case _:
                pass
    return Signature(method, dict(sorted(inputs.items())), dict(sorted(outputs.items())))


def _tensor(message: Message) -> Tensor:
    name, dtype, shape = "", _DTYPES[0], None
    encoding: Encoding = "dense"
    for field in message:
        match field:
            case 1, Message() as text:
                name = text.text()
            case 2, int(number):
                dtype = _dtype(signed(number))
            case 3, Message() as dimensions:
                shape = _shape(dimensions)
            case 4, Message():
                encoding = "sparse"
            case 5, Message():
                encoding = "composite"
            case _:
                pass
    return Tensor(name, dtype, shape, encoding)


def _dtype(number: int) -> str:
    return _DTYPES.get(number) or _DTYPES.get(number - _REFERENCE) or f"type {number}"


def _shape(message: Message) -> tuple[int | None, ...] | None:
    sizes: list[int | None] = []
    unknown_rank = False
    for field in message:
        match field:
            case 2, Message() as dimension:
                size = _number(dimension)
                sizes.append(None if size < 0 else size)
            case 3, int(flag):
                unknown_rank = flag != 0
            case _:
                pass
        if len(sizes) > MAX_RANK:
            raise WireError(f"a shape of more than {MAX_RANK} dimensions")
    return None if unknown_rank else tuple(sizes)


def _number(message: Message) -> int:
    """The integer in field 1 of a small message."""
    return next((signed(value) for key, value in message if key == 1 and isinstance(value, int)), 0)


def _entry(entry: Message) -> tuple[str, Message]:
    """A map's entry: field 1 is the key, field 2 the value; either may be left out."""
    return entry.first(1).text(), entry.first(2)


def summary(signature: Signature) -> Iterator[str]:
    """Lines for a person: ``x: float32 (?, 3)`` for each input, then each output after ``→``."""
    for arrow, tensors in (("", signature.inputs), ("→ ", signature.outputs)):
        for alias, tensor in tensors.items():
            yield f"{arrow}{alias}: {tensor.dtype} {describe_shape(tensor.shape)}"


def describe_shape(shape: tuple[int | None, ...] | None) -> str:
    """``(?, 3)``; ``unknown`` for an unknown rank."""
    if shape is None:
        return "unknown"
    inside = ", ".join("?" if size is None else str(size) for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"
