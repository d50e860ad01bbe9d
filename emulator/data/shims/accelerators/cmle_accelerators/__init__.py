"""Accelerators that this machine lacks, for the TensorFlow of a replica.

``CMLE_TPU_STUB=TPU_V2:8`` and ``CMLE_GPU_STUB=NVIDIA_TESLA_K80:1`` say what the job's machines
have. ``begin`` waits for the program to import TensorFlow and then replaces the edge of it
that needs the hardware; a program that never imports it pays nothing. Needs Python 3.6.
"""

import logging
import os

from cmle_accelerators import imports
from cmle_accelerators.accelerator import Accelerator

TPU = "CMLE_TPU_STUB"
GPU = "CMLE_GPU_STUB"
# Spans of TensorFlow 2 whose ends the tests of a stub were run with; of TensorFlow 1 it is 1.15.
_MEASURED = {"TPU": (((2, 4), (2, 11)), ((2, 15), (2, 20))), "GPU": (((2, 1), (2, 20)),)}


def begin(environ=os.environ):
    """Put the stubs that the variables ask for behind the import of TensorFlow."""
    if environ.get(TPU):
        _after_tensorflow("TPU", _tpu, Accelerator.parse(environ[TPU]))
    elif environ.get(GPU):
        _after_tensorflow("GPU", _gpu, Accelerator.parse(environ[GPU]))


def _after_tensorflow(kind, install, accelerator):
    def act():
        refused = _refusal(kind)
        if refused:
            logging.getLogger("cmle." + kind.lower()).error(refused)
            return
        try:
            install(accelerator)
        except Exception:
            logging.getLogger("cmle." + kind.lower()).exception(
                "The %s stub does not fit this TensorFlow and was left out: the program sees "
                "this machine as it is, without a %s.",
                kind,
                kind,
            )

    imports.after("tensorflow", act)


def _refusal(kind):
    """A sentence for a TensorFlow that a stub would fit by half; empty where it fits."""
    import tensorflow

    version = tensorflow.__version__
    minor = tuple(int(number) for number in version.split(".")[:2])
    spans = _MEASURED[kind]
    if minor == (1, 15) or any(first <= minor <= last for first, last in spans):
        return ""
    listed = ["%d.%d to %d.%d" % (first + last) for first, last in spans]
    return (
        "The %s stub is for TensorFlow 1.15 and %s, this is %s, and it was left out: the program "
        "sees this machine as it is, without a %s."
    ) % (kind, " and ".join(listed), version, kind)


def _is_tensorflow_1():
    import tensorflow

    return tensorflow.__version__.startswith("1.")


def _tpu(accelerator):
    if _is_tensorflow_1():
        from cmle_accelerators import tpu1 as stub
    else:
        from cmle_accelerators import tpu as stub
    stub.install(accelerator)


def _gpu(accelerator):
    from cmle_accelerators import gpu

    gpu.install(accelerator, sessions=_is_tensorflow_1())
