"""A program for GPUs, TensorFlow 1.15: sessions, towers, estimators over a MirroredStrategy."""

import numpy as np
import outcomes
import tensorflow as tf
from outcomes import check, report
from tensorflow.python.client import device_lib

outcomes.listen()
tf.logging.set_verbosity(tf.logging.ERROR)
gpus = tf.config.experimental.list_physical_devices("GPU")
report("physical", [gpu.name for gpu in gpus])
for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
report("available", [tf.test.is_gpu_available(), tf.test.is_gpu_available(True, (8, 0))])
report("name", tf.test.gpu_device_name())
report("local", [device.name for device in device_lib.list_local_devices()])
with tf.device("/GPU:0"):
    product = tf.reduce_sum(tf.matmul(tf.ones([2, 2]), tf.ones([2, 2])))
with tf.device("/device:GPU:1"):
    more = product + 1.0
with tf.Session() as session:
    report("session", float(session.run(more)))
growing = tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True))
with tf.Session(config=growing) as session:
    report("session with options", float(session.run(more)))
with tf.device("/gpu:7"):
    beyond = product + 1.0
with tf.Session() as session:
    check("beyond the count", lambda: float(session.run(beyond)))
with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session:
    check("beyond the count, soft", lambda: float(session.run(beyond)))
tf.reset_default_graph()
strategy = tf.distribute.MirroredStrategy()
report("replicas", [strategy.num_replicas_in_sync, strategy.extended.worker_devices])


def model_fn(features, labels, mode):
    loss = tf.reduce_mean((tf.layers.dense(features, 1) - labels) ** 2)
    step = tf.train.get_global_step()
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn():
    return tf.data.Dataset.from_tensors((tf.ones([8, 4]), tf.ones([8, 1]))).repeat()


config = tf.estimator.RunConfig(train_distribute=strategy)
estimator = tf.estimator.Estimator(model_fn, config=config)
check("estimator", lambda: int(estimator.train(input_fn, steps=5).get_variable_value("global_step")))
with strategy.scope():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
ones = tf.data.Dataset.from_tensor_slices((np.ones([64, 4], "f"), np.ones([64, 1], "f")))
fit = model.fit(ones.batch(16).repeat(), epochs=1, steps_per_epoch=4, verbose=0)
report("keras", bool(np.isfinite(fit.history["loss"]).all()))
outcomes.finish()
