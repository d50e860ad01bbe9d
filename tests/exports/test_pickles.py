"""Pickles are read by their opcodes; real ones, hostile ones and any bytes at all."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import pickletools
import zlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.exports import pickles
from emulator.exports.evidence import Pickle
from emulator.exports.pickles import scan

REDUCE: Final = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."


def scanned(folder: Path, data: bytes) -> Pickle:
    path = folder / "model.pkl"
    path.write_bytes(data)
    return scan(path)


def reference(data: bytes) -> set[str]:
    """Names that an unpickler asks for; it gets harmless ones."""
    names = set()

    class Recorder(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            names.add(f"{module}.{name}")
            return super().find_class(module, name)

    Recorder(io.BytesIO(data)).load()
    return names


class Estimator:
    def __init__(self) -> None:
        self.coef = [1.0, 2.5]
        self.made = date(2020, 1, 2)
        self.table: OrderedDict[str, Any] = OrderedDict(a=1)
        self._sklearn_version = "0.20.4"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_are_those_that_pickle_asks_for(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"a": date(2020, 1, 2), "b": OrderedDict(x=1), "c": {1, 2}}, protocol)
    old = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    found = scanned(tmp_path, data)
    wanted = {
        f"{old.get(name.rpartition('.')[0], name.rpartition('.')[0])}.{name.rpartition('.')[2]}"
        for name in reference(data)
    }
    assert set(found.names) == wanted
    assert found.kind == "builtins.dict"
    assert found.problem == ""


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_outermost_class_is_known(tmp_path: Path, protocol: int) -> None:
    found = scanned(tmp_path, pickle.dumps(Estimator(), protocol))
    assert found.kind == f"{Estimator.__module__}.Estimator"
    assert found.versions == {"scikit-learn": "0.20.4"}
    assert found.protocol == (protocol if protocol > 1 else 0)


@pytest.mark.parametrize("name", ["lr", "rf", "pipe", "oh"])
@pytest.mark.parametrize("library", ["0.20.4", "1.0.2"])
def test_joblib_files_of_scikit_learn_are_read(name: str, library: str) -> None:
    """Numbers stand between the opcodes there, objects as pickles inside the pickle."""
    files = sorted((Path(__file__).parent / "joblib" / library).glob(f"{name}*.joblib"))
    assert files
    for path in files:
        found = scan(path)
        assert found.problem == "", path
        assert found.kind.startswith("sklearn."), path
        assert found.versions == {"scikit-learn": library}, path


@pytest.mark.parametrize(
    ("compress", "name"),
    [
        (zlib.compress, "zlib"),
        (gzip.compress, "gzip"),
        (bz2.compress, "bz2"),
        (lzma.compress, "xz"),
    ],
    ids=["zlib", "gzip", "bz2", "xz"],
)
def test_compressed_pickles_are_read(
    tmp_path: Path, compress: Callable[[bytes], bytes], name: str
) -> None:
    found = scanned(tmp_path, compress(REDUCE))
    assert found.names == ("posix.system",)
    assert found.compression == name
    half = scanned(tmp_path, compress(pickle.dumps(list(range(10_000))))[:-20])
    assert half.problem


def test_what_would_run_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    class Trap:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {mark}",)

    found = scanned(tmp_path, pickle.dumps(Trap()))
    assert found.calls == {"posix.system"}
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301 - the trap is a real one
    assert mark.exists()


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"cos\nsystem\n(S'ls'\ntR.", ("os.system",)),
        (b"(S'ls'\nios\nsystem\n.", ("os.system",)),
        (b"(cos\nsystem\nS'ls'\no.", ("os.system",)),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", ("os.system",)),
        (b"\x80\x04}\x8c\x06system\x93.", ("?.system",)),
        (b"\x80\x02\x82\x07.", ("copyreg.extension_7",)),
        (b"\x80\x04cos\nsystem\n\x94h\x00)R.", ("os.system",)),
    ],
    ids=["global", "inst", "obj", "stack", "computed", "extension", "memo"],
)
def test_every_way_to_import_is_seen(tmp_path: Path, data: bytes, names: tuple[str, ...]) -> None:
    assert scanned(tmp_path, data).names == names


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"\x80\x04.",
        b"\x80\x04h\x05.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.",
        b"\x80\x04B\xff\xff\xff\xff.",
        b"c" + b"x" * 200_000,
        b"(" * 1000,
        b"I" + b"9" * 5000 + b"\n",
        b"o.",
    ],
    ids=range(10),
)
def test_broken_pickles_have_a_problem(tmp_path: Path, data: bytes) -> None:
    assert scanned(tmp_path, data).problem


def test_deep_nesting_is_no_problem(tmp_path: Path) -> None:
    assert scanned(tmp_path, b"(" * 200_000 + b"t" * 200_000 + b".").kind == "builtins.tuple"


def test_endless_pickles_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_OPCODES", 1000)
    monkeypatch.setattr("emulator.exports.streams.MAX_BYTES", 1 << 20)
    assert scanned(tmp_path, b"N" * 100_000).problem == "it has more than 1000 operations"
    bomb = zlib.compress(b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + bytes(8 << 20))
    assert "holds more than" in scanned(tmp_path, bomb).problem


def test_lz4_is_told_and_not_read(tmp_path: Path) -> None:
    found = scanned(tmp_path, b"\x04\x22\x4d\x18rest")
    assert (found.compression, found.problem, found.kind) == ("lz4", "", "")


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert scan(tmp_path / "nothing").problem == "No such file or directory"


plain: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(value=plain, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_to_the_end(
    tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int
) -> None:
    found = scanned(tmp_path_factory.getbasetemp(), pickle.dumps(value, protocol))
    assert found.problem == ""
    assert set(found.names) <= {"_codecs.encode", "builtins.bytes"}


OPCODES: Final = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
pieces: Final = st.lists(
    st.sampled_from(OPCODES) | st.binary(max_size=6) | st.sampled_from([b"os\nsystem\n", b"1\n"]),
    max_size=60,
).map(b"".join)
wrapper: Final = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\x00\x00\x00shape"


@settings(max_examples=400)
@given(data=st.binary(max_size=200) | pieces | pieces.map(lambda rest: wrapper + rest))
def test_any_bytes_are_answered(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    found = scanned(tmp_path_factory.getbasetemp(), data)
    assert isinstance(found.problem, str)


@given(data=pieces)
def test_what_loads_has_no_hidden_import(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """An unpickler that gets only harmless things never asks for a name that was not seen."""
    asked = set()

    class Recorder(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            asked.add(f"{module}.{name}")
            return dict

        def persistent_load(self, _: Any) -> Any:
            return None

    try:
        Recorder(io.BytesIO(data)).load()
    except Exception:  # noqa: BLE001 - any bytes: what it raises has no bounds
        return
    found = scanned(tmp_path_factory.getbasetemp(), data)
    old = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    seen = {name.rpartition(".")[2] for name in found.names}
    assert {old.get(name, name).rpartition(".")[2] for name in asked} <= seen | {""}
