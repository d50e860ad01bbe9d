"""What a TPU asks of a step: static shapes, no strings, nothing that only a host can do."""

import tensorflow as tf

from cmle_accelerators import compilation, findings

_WAY_OUT = (
    ", or let the host do it at every step with tf.config.set_soft_device_placement(True)"
)


def check_inputs(tensors):
    """Report what the inputs of one core's program lack."""
    for tensor in tensors:
        if tensor.dtype.name in ("resource", "variant"):
            continue
        if not tensor.shape.is_fully_defined():
            findings.report(
                "tpu",
                "dynamic shape",
                "a core's input of type %s has the shape %s. A real TPU compiles one program for "
                "each shape, or pads to a bound and wastes work; batch(..., drop_remainder=True) "
                "makes it static." % (tensor.dtype.name, tensor.shape),
            )


def check_program(operations, graph):
    """Raise, or report what automatic outside compilation would save, for one core's program."""
    found = compilation.unsupported(operations, graph)
    if not found:
        return
    if not tf.config.get_soft_device_placement():
        raise compilation.refusal(found, _WAY_OUT)
    for kind, name in found:
        findings.report(
            "tpu",
            "host call",
            "%s (node %s) has no kernel on a TPU. With soft placement a real TPU stops at every "
            "step and lets its host run it, which is slow." % (kind, name),
        )
