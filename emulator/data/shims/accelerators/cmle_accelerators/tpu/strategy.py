"""TPUStrategy itself stays TensorFlow's: only its cores become logical CPUs."""

import collections

import numpy as np
from tensorflow.python.distribute import tpu_strategy
from tensorflow.python.framework import ops

from cmle_accelerators import tpu_system
from cmle_accelerators.replacing import everywhere, method


def install(cores, state):
    host = tpu_system.cpu(0)
    devices = [tpu_system.cpu(number) for number in range(cores)]

    def extended(original):
        def __init__(self, *arguments, **options):
            original(self, *arguments, **options)
            self._tpu_devices = np.array([[device] for device in devices], dtype=object)
            self._host_device = host
            self._device_input_worker_devices = collections.OrderedDict([(host, devices)])
            self._host_input_worker_devices = collections.OrderedDict([(host, [host] * cores)])

        return __init__

    method(tpu_strategy.TPUExtended, "__init__", extended)
    tpu_strategy.TPUExtended.num_hosts = property(lambda self: 1)
    tpu_strategy.TPUExtended.num_replicas_per_host = property(lambda self: cores)

    def unpacked(original):
        def __init__(self, *arguments, **options):
            original(self, *arguments, **options)
            # gradients are not supported on packed variables away from a TPU
            self._enable_packed_variable_in_eager_mode = False

        return __init__

    for name in ("TPUStrategyV2", "TPUStrategy"):
        method(getattr(tpu_strategy, name), "__init__", unpacked)
    _install_placement()


def _install_placement():
    """``tf.device`` with a name of the TPU's host or cores means this machine's."""

    def here(name):
        if not isinstance(name, str) or "/job:worker" not in name:
            return name
        number = name.rsplit(":", 1)[-1]
        is_core = "TPU:" in name and number.isdigit()
        return tpu_system.cpu(int(number) if is_core else 0)

    def wrap(original):
        return lambda name: original(here(name))

    for function in ("device", "device_v2"):
        everywhere(getattr(ops, function), wrap(getattr(ops, function)))
