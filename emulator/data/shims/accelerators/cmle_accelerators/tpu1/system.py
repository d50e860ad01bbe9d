"""The TPU's system as TensorFlow 1.15 asks for it, in sessions and eagerly."""

import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver import tpu_cluster_resolver
from tensorflow.python.eager import remote
from tensorflow.python.framework import constant_op
from tensorflow.python.ops import control_flow_ops
from tensorflow.python.tpu import topology, tpu, tpu_strategy_util, tpu_system_metadata

from cmle_accelerators import tpu_resolver, tpu_sessions, tpu_system
from cmle_accelerators.replacing import everywhere


def install(cores):
    config = tf.config.experimental
    config.set_virtual_device_configuration(
        config.list_physical_devices("CPU")[0],
        [config.VirtualDeviceConfiguration() for _ in range(cores)],
    )

    def metadata(*arguments, **options):
        return tpu_system.metadata(cores)

    resolver = tpu_cluster_resolver.TPUClusterResolver
    tpu_resolver.install(resolver, cores, metadata)
    tpu_sessions.install_connections(remote, lambda: None)
    everywhere(tpu_system_metadata._query_tpu_system_metadata, metadata)

    def initialize_system(*arguments, **options):
        return constant_op.constant(tpu_system.topology_proto(cores))

    def shutdown_system(*arguments, **options):
        return control_flow_ops.no_op()

    def initialize_tpu_system(cluster_resolver=None):
        resolved = cluster_resolver or resolver("")
        started = topology.Topology(serialized=tpu_system.topology_proto(cores))
        tpu_strategy_util._INITIALIZED_TPU_SYSTEMS[resolved._tpu] = started
        return started

    everywhere(tpu.initialize_system, initialize_system)
    everywhere(tpu.shutdown_system, shutdown_system)
    everywhere(tpu_strategy_util.initialize_tpu_system, initialize_tpu_system)
