"""Connecting to the TPU and starting it, in the order that a real one demands."""

import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver.tpu import tpu_cluster_resolver
from tensorflow.python.eager import context, remote
from tensorflow.python.framework import constant_op, errors
from tensorflow.python.ops import control_flow_ops
from tensorflow.python.tpu import tpu, tpu_strategy_util

from cmle_accelerators import tpu_resolver, tpu_sessions, tpu_system
from cmle_accelerators.replacing import everywhere

_NOT_FOUND = (
    "Cannot find any TPU cores in the system (master address %s). This usually means the master "
    "address is incorrect or the TPU worker has some problems. (TPU stub: call "
    "tf.config.experimental_connect_to_cluster and tf.tpu.experimental.initialize_tpu_system "
    "before the strategy is made.)"
)
_NOT_CONNECTED = (
    "/job:worker/replica:0/task:0/device:TPU_SYSTEM:0 unknown device. (TPU stub: call "
    "tf.config.experimental_connect_to_cluster(resolver) first; without it a real replica does "
    "not know the TPU's devices.)"
)


class State(object):
    """How far the program came: connected to the TPU's host, and its system started."""

    def __init__(self):
        self.connected = False

    @property
    def started(self):
        return bool(tpu_strategy_util._INITIALIZED_TPU_SYSTEMS)


def install(cores):
    """Replace resolver, connection and system; answer the State that the other parts ask."""
    state = State()
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(cores)]
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], devices
    )
    # eight cores are eight instances of a graph: grappler's rewriting costs more than it saves
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

    def metadata():
        if not state.started:
            raise RuntimeError(_NOT_FOUND % ("grpc://" + tpu_system.ADDRESS))
        return tpu_system.metadata(cores)

    tpu_resolver.install(tpu_cluster_resolver.TPUClusterResolver, cores, metadata)
    tpu_sessions.install_connections(remote, lambda: setattr(state, "connected", True))
    _install_system(cores, state)
    _install_device_list(cores, state)
    return state


def _install_system(cores, state):
    def initialize_system(*arguments, **options):
        if not state.connected:
            raise errors.InvalidArgumentError(None, None, _NOT_CONNECTED)
        return constant_op.constant(tpu_system.topology_proto(cores))

    def shutdown_system(job=None):
        return control_flow_ops.no_op()

    everywhere(tpu.initialize_system, initialize_system)
    everywhere(tpu.shutdown_system, shutdown_system)
    everywhere(tpu._tpu_system_device_name, lambda job: tpu_system.cpu(0))


def _install_device_list(cores, state):
    original = tf.config.list_logical_devices

    def list_logical_devices(device_type=None):
        if device_type not in ("TPU", "TPU_SYSTEM"):
            return original(device_type)
        count = (cores if device_type == "TPU" else 1) if state.started else 0
        names = [tpu_system.core(number) for number in range(count)]
        if device_type == "TPU_SYSTEM":
            names = [name.replace("TPU:", "TPU_SYSTEM:") for name in names]
        return [context.LogicalDevice(name, device_type) for name in names]

    everywhere(original, list_logical_devices)
