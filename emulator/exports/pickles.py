"""What a pickle would import and call, read from its opcodes; nothing is ever unpickled."""

import pickletools
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Final

from emulator.exports.evidence import Pickle
from emulator.exports.streams import MAX_BYTES, BrokenError, Stream, compression, opened

MAX_OPCODES: Final = 2_000_000  # a large real model has a tenth: its numbers are in few strings
MAX_RANK: Final = 64
MAX_TEXT: Final = 4096  # of a string that is looked at
_ARRAY: Final = "joblib.numpy_pickle.NumpyArrayWrapper"
_RECONSTRUCTORS: Final = frozenset({"copyreg._reconstructor", "copyreg.__newobj__"})
_OLD_MODULES: Final = {"copy_reg": "copyreg", "__builtin__": "builtins"}
_DTYPE: Final = re.compile(r"[<>|=]?([a-zA-Z])(\d{1,9})")
_UNICODE_BYTES: Final = 4
_WIDTHS: Final = {  # bytes of the length before a value
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_OPCODES: Final = {opcode.code: opcode for opcode in pickletools.opcodes}
_FLAGS: Final[dict[str, Any]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Name:
    """Something imported."""

    __slots__ = ("name",)

    def __init__(self, module: str, name: str) -> None:
        self.name = f"{_OLD_MODULES.get(module, module)}.{name}"


class _Object:
    """What a call gave: of which class, from which arguments, with which state."""

    __slots__ = ("arguments", "kind", "state")

    def __init__(self, kind: str, arguments: Any = ()) -> None:
        self.kind = kind
        self.arguments: tuple[Any, ...] = arguments if isinstance(arguments, tuple) else ()
        self.state: dict[Any, Any] = {}


_MARK: Final = object()
_UNKNOWN: Final = object()


def scan(path: Path) -> Pickle:
    """What a pickle, or a joblib file, would do; ``problem`` says why it cannot be known."""
    compressed = ""
    machine = _Machine()
    try:
        with path.open("rb") as file:
            compressed = compression(file.read(6))
            file.seek(0)
            if compressed != "lz4":
                machine.run(Stream(opened(file, compressed)))
    except OSError as error:
        machine.problem = error.strerror or str(error)
    except BrokenError as error:
        machine.problem = str(error)
    return machine.found(compressed)


class _Machine:
    """The pickle machine with names instead of objects."""

    def __init__(self) -> None:
        self.problem = ""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._names: dict[str, None] = {}
        self._calls: set[str] = set()
        self._versions: dict[str, str] = {}
        self._protocol = 0
        self._kind = ""
        self._left = MAX_OPCODES
        self._around: list[tuple[list[Any], dict[int, Any]]] = []  # of pickles inside pickles

    def found(self, compression: str) -> Pickle:
        return Pickle(
            protocol=self._protocol,
            kind=self._kind,
            names=tuple(self._names),
            calls=frozenset(self._calls),
            versions=self._versions,
            compression=compression,
            problem=self.problem,
        )

    def run(self, stream: Stream) -> None:
        """Read to the end of a pickle; the outermost object's class is then known."""
        while True:
            self._left -= 1
            if self._left < 0:
                raise BrokenError(f"it has more than {MAX_OPCODES} operations")
            code = stream.take(1).decode("latin-1")
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise BrokenError(f"{code!r} is no operation of a pickle")
            argument = _argument(opcode, stream)
            if opcode.name == "STOP":
                self._kind = _kind(self._pop())
                if not self._around:
                    return
                self._stack, self._memo = self._around.pop()
                self._stack.append(_UNKNOWN)
            else:
                self._step(opcode, argument)
                if opcode.name == "BUILD":
                    self._joblib_array(stream)

    def _step(self, opcode: Any, argument: Any) -> None:
        name: str = opcode.name
        if name in _STEPS:
            _STEPS[name](self, argument)
        elif name in _FLAGS:
            self._stack.append(_FLAGS[name])
        elif opcode.arg is not None and opcode.stack_after and not opcode.stack_before:
            self._stack.append(argument)
        else:
            self._generic(opcode)

    def _generic(self, opcode: Any) -> None:
        """What an operation takes from the stack and leaves there, as pickletools knows it."""
        before = opcode.stack_before
        if pickletools.markobject in before:
            self._slice()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self._pop()
        marks = pickletools.markobject
        self._stack += [_MARK if kind is marks else _UNKNOWN for kind in opcode.stack_after]

    # ---- the stack

    def _pop(self) -> Any:
        if not self._stack:
            raise BrokenError("it takes a value from an empty stack")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            raise BrokenError("it looks at an empty stack")
        return self._stack[-1]

    def _slice(self) -> list[Any]:
        """Everything down to the last mark, and the mark."""
        items = []
        while (item := self._pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    # ---- operations

    def proto(self, number: Any) -> None:
        self._protocol = max(self._protocol, number)

    def put(self, index: Any) -> None:
        self._memo[index] = self._top()

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def get(self, index: Any) -> None:
        if index not in self._memo:
            raise BrokenError("it asks for something that it never stored")
        self._stack.append(self._memo[index])

    def import_pair(self, pair: Any) -> None:
        self._import(*pair)

    def import_from_stack(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self._import(
            module if isinstance(module, str) else "?", name if isinstance(name, str) else "?"
        )

    def extension(self, number: Any) -> None:
        self._import("copyreg", f"extension_{number}")

    def reduce(self, _: Any) -> None:
        arguments = self._pop()
        self._call(self._pop(), arguments)

    def new_with_keywords(self, _: Any) -> None:
        self._pop()
        self.reduce(None)

    def instance(self, pair: Any) -> None:
        arguments = tuple(self._slice())
        self._import(*pair)
        self._call(self._pop(), arguments)

    def object(self, _: Any) -> None:
        items = self._slice()
        if not items:
            raise BrokenError("it makes an object of nothing")
        self._call(items[0], tuple(items[1:]))

    def tuple_of(self, count: int) -> None:
        if count < 0:
            self._stack.append(tuple(self._slice()))
        else:
            self._stack.append(tuple([self._pop() for _ in range(count)][::-1]))

    def empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def list_of(self, _: Any) -> None:
        self._slice()
        self._stack.append([])

    def empty_list(self, _: Any) -> None:
        self._stack.append([])

    def dict_of(self, _: Any) -> None:
        items = self._slice()
        self._stack.append({})
        self._fill_dict(items)

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._fill_dict([key, value])

    def set_items(self, _: Any) -> None:
        self._fill_dict(self._slice())

    def append(self, _: Any) -> None:
        self._pop()
        self._top()

    def appends(self, _: Any) -> None:
        self._slice()
        self._top()

    def build(self, _: Any) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, _Object) and isinstance(state, dict):
            target.state = state

    # ---- what they share

    def _import(self, module: str, name: str) -> None:
        found = _Name(module, name)
        self._names[found.name] = None
        self._stack.append(found)

    def _call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, _Name):
            self._stack.append(_UNKNOWN)
            return
        self._calls.add(function.name)
        first = arguments[0] if isinstance(arguments, tuple) and arguments else None
        if function.name in _RECONSTRUCTORS and isinstance(first, _Name):
            self._stack.append(_Object(first.name))
        else:
            self._stack.append(_Object(function.name, arguments))

    def _fill_dict(self, items: list[Any]) -> None:
        target = self._top()
        for key, value in zip(items[::2], items[1::2], strict=False):
            if isinstance(key, str) and isinstance(target, dict):
                target[key] = value
            if key == "_sklearn_version" and isinstance(value, str):
                self._versions["scikit-learn"] = value

    # ---- joblib

    def _joblib_array(self, stream: Stream) -> None:
        """Pass over the numbers that joblib writes behind their wrapper.

        If they are objects, a pickle of them follows, and after it this one goes on.
        """
        wrapper = self._top()
        if not isinstance(wrapper, _Object) or wrapper.kind != _ARRAY:
            return
        shape, dtype = wrapper.state.get("shape"), wrapper.state.get("dtype")
        code = next(iter(dtype.arguments), None) if isinstance(dtype, _Object) else None
        found = _DTYPE.fullmatch(code) if isinstance(code, str) else None
        if not (isinstance(shape, tuple) and _is_shape(shape)):
            raise BrokenError("it has an array without a shape")
        if found is None:
            raise BrokenError("it has an array of an unknown type")
        if found[1] == "O":
            self._pop()
            self._around.append((self._stack, self._memo))
            self._stack, self._memo = [], {}
            return
        if wrapper.state.get("numpy_array_alignment_bytes") is not None:
            stream.skip(stream.take(1)[0])
        width = int(found[2]) * (_UNICODE_BYTES if found[1] == "U" else 1)
        stream.skip(prod(shape) * width)


_Step = Callable[[_Machine, Any], None]
_STEPS: Final[dict[str, _Step]] = {
    "PROTO": _Machine.proto,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": _Machine.import_pair,
    "STACK_GLOBAL": _Machine.import_from_stack,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _Machine.extension),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.reduce),
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "INST": _Machine.instance,
    "OBJ": _Machine.object,
    "TUPLE": lambda machine, _: machine.tuple_of(-1),
    "EMPTY_TUPLE": lambda machine, _: machine.tuple_of(0),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "EMPTY_LIST": _Machine.empty_list,
    "LIST": _Machine.list_of,
    "EMPTY_DICT": _Machine.empty_dict,
    "DICT": _Machine.dict_of,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "APPEND": _Machine.append,
    **dict.fromkeys(("APPENDS", "ADDITEMS"), _Machine.appends),
    "BUILD": _Machine.build,
}


def _is_shape(sizes: tuple[Any, ...]) -> bool:
    return len(sizes) <= MAX_RANK and all(type(n) is int and 0 <= n <= MAX_BYTES for n in sizes)


def _kind(value: Any) -> str:
    if isinstance(value, _Object):
        return value.kind
    if isinstance(value, _Name):
        return "builtins.type"
    return "" if value is _UNKNOWN else f"builtins.{type(value).__name__}"


def _argument(opcode: pickletools.OpcodeInfo, stream: Stream) -> Any:
    """An operation's argument; _UNKNOWN for what is too long to be looked at."""
    kind = opcode.arg
    if kind is None:
        return None
    if kind.name == "stringnl_noescape_pair":
        return _text(stream.line()), _text(stream.line())
    if kind.n == pickletools.UP_TO_NEWLINE:
        return _written(kind.name, stream.line())
    if kind.n < 0:
        return _counted(kind, stream)
    data = stream.take(kind.n)
    return _UNKNOWN if kind.name == "float8" else _integer(data, signed=kind.name == "int4")


def _counted(kind: pickletools.ArgumentDescriptor, stream: Stream) -> Any:
    size = _integer(stream.take(_WIDTHS[kind.n]), signed=False)
    if size > MAX_TEXT:
        stream.skip(size)
        return _UNKNOWN
    data = stream.take(size)
    if kind.name.startswith("long"):
        return _integer(data, signed=True)
    return data if "bytes" in kind.name else _text(data)


def _integer(data: bytes, *, signed: bool) -> int:
    return int.from_bytes(data, "little", signed=signed)


def _written(kind: str, line: bytes) -> Any:
    """An argument that stands in a line: a number of any length stays unknown."""
    if kind.startswith("decimal"):
        digits = line.rstrip(b"L")
        return int(digits) if re.fullmatch(rb"-?\d{1,18}", digits) else _UNKNOWN
    return _text(line.strip(b"'\""))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
