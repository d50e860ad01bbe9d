"""A program that divides one card into two and hides another."""

import tensorflow as tf
from outcomes import report

gpus = tf.config.list_physical_devices("GPU")
tf.config.set_visible_devices(gpus[:1], "GPU")
part = tf.config.LogicalDeviceConfiguration(memory_limit=1024)
tf.config.set_logical_device_configuration(gpus[0], [part, part])
report("logical", [device.name for device in tf.config.list_logical_devices("GPU")])
report("replicas", tf.distribute.MirroredStrategy().num_replicas_in_sync)
