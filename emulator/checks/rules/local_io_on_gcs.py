"""A path that is gs:// on the service goes to a function that knows local files only.

`open`, `os`, `shutil`, `pathlib`, NumPy, joblib, h5py and others look for a local folder
named `gs:`. Paths are followed from `job_dir`, and from arguments that the job sets to
gs://, through assignments, joins and the package's own functions. A place that is guarded
by a test for `gs://` is left alone, and so is pandas where gcsfs is installed.
"""

import ast
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.checks.flow import Flow, Place, guarded
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_GFILE: Final = "Open it with tf.io.gfile.GFile (tf.gfile in TensorFlow 1)"
_FIRST: Final = Place(0, ("path", "name", "file", "filename", "fname", "src", "fp"))
_SINKS: Final[dict[str, Place]] = {
    **dict.fromkeys(("open", "io.open", "codecs.open", "gzip.open", "bz2.open"), _FIRST),
    **dict.fromkeys(
        [f"os.{name}" for name in ("makedirs", "mkdir", "listdir", "walk", "remove", "scandir")],
        _FIRST,
    ),
    **dict.fromkeys(("glob.glob", "glob.iglob", "pathlib.Path", "shutil.rmtree"), _FIRST),
    **dict.fromkeys(("shutil.copy", "shutil.copyfile", "shutil.move"), Place(1, ("dst",))),
    **dict.fromkeys(
        [f"numpy.{name}" for name in ("save", "savez", "savez_compressed", "savetxt", "load")],
        _FIRST,
    ),
    **dict.fromkeys(("numpy.loadtxt", "numpy.genfromtxt", "h5py.File", "PIL.Image.open"), _FIRST),
    **dict.fromkeys(
        ("joblib.dump", "sklearn.externals.joblib.dump", "torch.save"),
        Place(1, ("filename", "f")),
    ),
    **dict.fromkeys(("joblib.load", "sklearn.externals.joblib.load", "torch.load"), _FIRST),
    "matplotlib.pyplot.savefig": _FIRST,
}
_LOOKS: Final = {f"os.path.{name}" for name in ("exists", "isfile", "isdir", "getsize")}
_PANDAS: Final = {f"pandas.read_{name}" for name in ("csv", "json", "table", "parquet", "pickle")}
_METHODS: Final[dict[str, Place]] = {
    **dict.fromkeys(("to_csv", "to_json", "to_parquet", "to_pickle"), Place(0, ("path_or_buf",))),
}
_H5: Final[dict[str, Place]] = {
    name: Place(0, ("filepath",), (".h5", ".hdf5", ".keras"))
    for name in ("save", "save_weights", "load_weights")
}


def check(evidence: Evidence) -> Iterator[Finding]:
    flow = Flow(evidence)
    has_gcsfs = "gcsfs" in {**evidence.runtime.distributions, **evidence.installation.distributions}
    for source, tree in trees.packed(evidence):
        known = trees.aliases(tree)
        up = trees.parents(tree)
        for call in trees.calls(tree):
            name = trees.full_name(call.func, known)
            place = _place(call, name, has_gcsfs=has_gcsfs)
            if place is None:
                continue
            node = trees.argument(call, place.position, *place.names)
            if node is None or not flow.holds(source, node) or guarded(call, up):
                continue
            if place.only_suffix and not _ends_with(node, place.only_suffix):
                continue
            pandas = name in _PANDAS or (name.rpartition(".")[2] in _METHODS)
            yield Finding(
                message=f"{name or 'This call'} gets a path that is gs:// on the service, and "
                f"knows local files only{' (without gcsfs)' if pandas else ''}.",
                fix="Open it with tf.io.gfile.GFile and hand over the file, or declare gcsfs."
                if pandas
                else f"{_GFILE}, or write to a local file and copy it with tf.io.gfile.copy.",
                path=source.path,
                line=call.lineno,
                cloud="ImportError: The gcsfs library is required to handle GCS files"
                if pandas
                else "No such file or directory: 'gs://…'",
                verified=not pandas,
                severity=Severity.WARNING if name in _LOOKS else None,
            )


def _place(call: ast.Call, name: str, *, has_gcsfs: bool) -> Place | None:
    if name in _SINKS:
        return _SINKS[name]
    if name in _LOOKS:
        return _FIRST
    if name in _PANDAS and not has_gcsfs:
        return Place(0, ("filepath_or_buffer", "path", "path_or_buf"))
    last = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if last in _METHODS and not has_gcsfs:
        return _METHODS[last]
    return _H5.get(last)


def _ends_with(node: ast.AST, suffixes: tuple[str, ...]) -> bool:
    texts = [it.value for it in ast.walk(node) if isinstance(it, ast.Constant)]
    return any(isinstance(text, str) and text.endswith(suffixes) for text in texts)
