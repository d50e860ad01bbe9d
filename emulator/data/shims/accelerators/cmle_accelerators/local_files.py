"""A TPU's host reads and writes gs:// only: the replica's disk is another machine's."""

import os


def is_local(path):
    """Whether a path is on the replica's own disk."""
    return "://" not in path


def refusal(path):
    """TensorFlow's error for a local path on a TPU's host."""
    from tensorflow.python.framework import errors

    return errors.UnimplementedError(
        None,
        None,
        "File system scheme '[local]' not implemented (file: '%s') (TPU stub: on a real TPU "
        "this runs on the TPU's own host, which cannot see the replica's disk. Use a gs:// "
        "path, for example one below --job-dir.)" % path,
    )


def first_present(texts):
    """The first text that names a file or folder of this disk, else None."""
    for text in texts:
        path = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        if path and "\0" not in path and is_local(path) and os.path.exists(path):
            return path
    return None
