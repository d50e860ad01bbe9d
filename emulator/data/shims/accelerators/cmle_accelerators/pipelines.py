"""What an input pipeline may not do when it runs on a TPU's host.

The host is another machine: it has no Python of the program's, and none of its files.
"""

from cmle_accelerators import local_files

_PYTHON = frozenset(["PyFunc", "PyFuncStateless", "EagerPyFunc"])
_READERS = frozenset(
    """
    TextLineDataset TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset
    FixedLengthRecordDatasetV2 ReadFile MatchingFiles MatchingFilesDataset WholeFileReaderV2
    TFRecordReaderV2 TextLineReaderV2
    """.split()
)
_STRING = 7  # DT_STRING
_LOOKED_AT = 1000  # constants


def check(nodes):
    """Raise what a TPU's host would; ``nodes`` are NodeDefs, those of functions included."""
    texts, reads = [], False
    for node in nodes:
        if node.op in _PYTHON:
            raise no_python(node.name)
        reads = reads or node.op in _READERS
        if node.op == "Const" and node.attr["dtype"].type == _STRING:
            texts.extend(node.attr["value"].tensor.string_val[:_LOOKED_AT])
    check_files(texts, reads)


def check_files(texts, reads):
    """Raise when something reads files and one of the texts names a local one."""
    local = local_files.first_present(texts) if reads else None
    if local is not None:
        local_files.refuse(local)


def is_reader(operation):
    return operation in _READERS


def is_python(operation):
    return operation in _PYTHON


def no_python(name):
    """TensorFlow's error for Python code in a pipeline that another machine runs."""
    from tensorflow.python.framework import errors

    return errors.InvalidArgumentError(
        None,
        None,
        "ValueError: callback pyfunc_0 is not found (node %s) (TPU stub: on a real TPU the input "
        "pipeline runs on the TPU's own host, where the program's Python is not. Replace "
        "py_function, numpy_function and from_generator by TensorFlow's own operations.)" % name,
    )
