"""Which operations XLA can compile, as TensorFlow's own kernel registry says.

The CPU wheels hold XLA's kernels for its CPU; a TPU has nearly the same list. They are
registered when XLA first starts, so it is started once, with next to nothing (0.1 s).
"""

_DEVICE = "XLA_CPU_JIT"
_found = {}


def compilable():
    """Names of operations; empty where this TensorFlow was built without XLA."""
    if "ops" not in _found:
        _start_xla()
        from tensorflow.python.framework import kernels

        listed = kernels.get_all_registered_kernels().kernel
        _found["ops"] = frozenset(kernel.op for kernel in listed if kernel.device_type == _DEVICE)
    return _found["ops"]


def _start_xla():
    import tensorflow as tf

    if tf.__version__.startswith("1."):
        from tensorflow.python.client import device_lib

        device_lib.list_local_devices()
        return
    with tf.init_scope(), tf.device("/CPU:0"):
        # eager: inside a trace the call would only become a node
        option = "experimental_compile" if tf.__version__.startswith("2.4.") else "jit_compile"
        tf.function(_add_one, autograph=False, **{option: True})(tf.constant(1.0))


def _add_one(x):
    return x + 1.0
