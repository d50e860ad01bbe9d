"""Whether code is being traced as a TPU would, or run on this machine in its stead."""

import contextlib

_active = [False]


def active():
    return _active[0]


@contextlib.contextmanager
def as_on_tpu():
    """Inside, TensorFlow is told that it runs on the TPU; what it builds is never run."""
    before, _active[0] = _active[0], True
    try:
        yield
    finally:
        _active[0] = before
