"""The table of TensorFlow's operations, from the registries of two runtimes.

Run as ``python tests/exports/operations_source.py PYTHON_OF_1.15 PYTHON_OF_2.11``: it prints the
table anew. Without arguments, inside a runtime, it prints that runtime's operations.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

HEAD = """\
# TensorFlow's operations and their attributes, from the registries of TensorFlow 1.15.5 (with
# tf.contrib) and 2.11.0. A heading names the versions that have the lines below it.
"""


def registered() -> list[str]:
    """A line for each operation: its name and those of its attributes."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf  # noqa: PLC0415 - of the runtime

    if tf.__version__.startswith("1."):
        import tensorflow.contrib  # noqa: PLC0415 - it registers operations of its own
        from tensorflow.python import pywrap_tensorflow as session  # noqa: PLC0415

        dir(tensorflow.contrib)
    else:
        from tensorflow.python.client import pywrap_tf_session as session  # noqa: PLC0415
    from tensorflow.core.framework import op_def_pb2  # noqa: PLC0415

    ops = op_def_pb2.OpList()
    ops.ParseFromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
    return sorted(" ".join([op.name, *sorted(attr.name for attr in op.attr)]) for op in ops.op)


def asked(python: str) -> list[str]:
    """What ``registered`` answers in a runtime."""
    argv = [python, "-I", __file__]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    lines: list[str] = json.loads(done.stdout.splitlines()[-1])
    return lines


def table(old: list[str], new: list[str]) -> str:
    """The file's text."""
    both = set(old) & set(new)
    sections = [
        ("1.15 2.11", both),
        ("1.15", set(old) - both),
        ("2.11", set(new) - both),
    ]
    blocks = [
        f"[{heading}]\n" + "".join(f"{line}\n" for line in sorted(lines, key=str.split))
        for heading, lines in sections
    ]
    return HEAD + "".join(blocks)


if __name__ == "__main__":
    print(table(*map(asked, sys.argv[1:])) if sys.argv[1:] else json.dumps(registered()), end="")  # noqa: T201
