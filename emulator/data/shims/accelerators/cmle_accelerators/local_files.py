"""A TPU's host reads and writes gs:// only: the replica's disk is another machine's.

``CMLE_TPU_LOCAL_FILES=allow`` makes a WARNING of the error, for runs without any storage.
"""

import os

from cmle_accelerators import findings

_TEXT = (
    "File system scheme '[local]' not implemented (file: '%s') (TPU stub: on a real TPU this "
    "runs on the TPU's own host, which cannot see the replica's disk. Use a gs:// path, for "
    "example one below --job-dir.)"
)


def is_local(path):
    """Whether a path is on the replica's own disk."""
    return "://" not in path or path.startswith("file://")


def refuse(path):
    """Raise TensorFlow's error for a local path on a TPU's host."""
    from tensorflow.python.framework import errors

    if os.environ.get("CMLE_TPU_LOCAL_FILES") == "allow":
        findings.report("tpu", "local file", _TEXT % path)
    else:
        raise errors.UnimplementedError(None, None, _TEXT % path)


def first_present(texts):
    """The first text that names a file or folder of this disk, else None."""
    for text in texts:
        path = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        if path and "\0" not in path and is_local(path) and os.path.exists(_plain(path)):
            return path
    return None


def _plain(path):
    return path[len("file://") :] if path.startswith("file://") else path
