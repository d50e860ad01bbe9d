"""A program for GPUs, TensorFlow 2."""

import numpy as np
import outcomes
import tensorflow as tf
from outcomes import check, report
from tensorflow.python.client import device_lib

outcomes.listen()
gpus = tf.config.list_physical_devices("GPU")
report("physical", [gpu.name for gpu in gpus])
for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
report("growth", tf.config.experimental.get_memory_growth(gpus[0]))
report("details", str(tf.config.experimental.get_device_details(gpus[0])))
report("available", [tf.test.is_gpu_available(), tf.test.is_gpu_available(True, (8, 0))])
report("name", tf.test.gpu_device_name())
report("local", [device.name for device in device_lib.list_local_devices()])
report("logical", [device.name for device in tf.config.list_logical_devices("GPU")])
with tf.device("/GPU:0"):
    report("eager", tf.reduce_sum(tf.matmul(tf.ones([2, 2]), tf.ones([2, 2]))).numpy().tolist())


@tf.function
def traced(x):
    with tf.device("/GPU:1"):
        return x + 1.0


check("function", lambda: traced(tf.constant(1.0)).numpy().tolist())


def beyond():
    with tf.device("/GPU:7"):
        return tf.constant(1.0).numpy().tolist()


check("beyond the count, soft", beyond)
tf.config.set_soft_device_placement(False)
check("beyond the count", beyond)
tf.config.set_soft_device_placement(True)
image = tf.ones([1, 3, 8, 8])
check("channels first", lambda: tf.nn.conv2d(image, tf.ones([3, 3, 3, 2]), 1, "SAME", "NCHW").shape.as_list())
explicit = tf.distribute.MirroredStrategy(["/gpu:0", "/gpu:1"])
report("explicit", explicit.num_replicas_in_sync)
nccl = tf.distribute.MirroredStrategy(cross_device_ops=tf.distribute.NcclAllReduce())
report("replicas", nccl.num_replicas_in_sync)
features = np.random.RandomState(0).rand(256, 4).astype("float32")
with nccl.scope():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(4,))])
    model.compile(tf.keras.optimizers.SGD(0.2), "mse")
loss = model.fit(features, features.sum(1), epochs=3, batch_size=64, verbose=0).history["loss"]
report("learns", bool(loss[-1] < loss[0]))
outcomes.finish()
