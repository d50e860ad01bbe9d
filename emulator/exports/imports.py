"""What a model's pickle may import: libraries of the service, and what has no place in a model."""

import sys
from typing import Final

_OF_SERVICE: Final = frozenset(
    {"sklearn", "xgboost", "numpy", "scipy", "joblib", "pandas", "pytz", "dateutil"}
)
_HARMLESS: Final = frozenset(
    {
        *("collections", "copyreg", "datetime", "decimal", "fractions", "functools", "numbers"),
        *("_codecs", "itertools", "math", "cmath", "re", "sre_compile", "string", "uuid", "enum"),
        *("random", "_random", "array", "weakref", "types", "_thread", "threading", "pathlib"),
    }
)
_HARMLESS_BUILTINS: Final = frozenset(
    {
        *("bool", "bytearray", "bytes", "complex", "dict", "enumerate", "filter", "float"),
        *("frozenset", "int", "len", "list", "map", "max", "min", "object", "range", "reversed"),
        *("round", "set", "slice", "sorted", "str", "sum", "tuple", "type", "zip", "abs", "slice"),
        *("unicode", "long", "xrange", "Ellipsis", "NotImplemented"),
    }
)
_DANGEROUS: Final = frozenset(
    {
        *(
            "numpy.load",
            "numpy.fromfile",
            "numpy.memmap",
            "joblib.load",
            "joblib.numpy_pickle.load",
        ),
        *("pandas.eval", "pandas.read_pickle", "pandas.io.pickle.read_pickle"),
        *("numpy.testing._private.utils.runstring", "numpy.f2py.crackfortran.getlincoef"),
        *("types.CodeType", "types.FunctionType", "functools.reduce", "numpy.savetxt"),
        *("sklearn.utils._joblib.load", "sklearn.externals.joblib.load"),
    }
)
_PROTOCOLS: Final = {"2.7": 2}
_OLDEST_WITH_5: Final = 8


def is_dangerous(name: str) -> bool:
    """Whether something imported can do more than make a part of a model."""
    module, _, attribute = name.rpartition(".")
    top = module.partition(".")[0]
    special = attribute.startswith("__") and attribute.endswith("__") and module != "copyreg"
    if name in _DANGEROUS or special or module == "?":
        return True
    if module == "builtins":
        is_exception = attribute.endswith(("Error", "Exception", "Warning"))
        return attribute not in _HARMLESS_BUILTINS and not is_exception
    return top in sys.stdlib_module_names and top not in _HARMLESS and top != "__main__"


def is_foreign(name: str) -> bool:
    """Whether something imported is of a module that the service does not have."""
    top = name.rpartition(".")[0].partition(".")[0]
    return top not in _OF_SERVICE and top not in sys.stdlib_module_names and top != "?"


def highest_protocol(python: str) -> int:
    """The newest format of pickles that a Python version reads."""
    if python in _PROTOCOLS:
        return _PROTOCOLS[python]
    minor = python.partition(".")[2]
    return 5 if minor.isdecimal() and int(minor) >= _OLDEST_WITH_5 else 4
