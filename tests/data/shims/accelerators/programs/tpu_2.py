"""A program for a TPU, TensorFlow 2: the way to the strategy, then what steps may and may not."""

import os

import outcomes
import tensorflow as tf
from outcomes import check, report

outcomes.listen()
Resolver = tf.distribute.cluster_resolver.TPUClusterResolver
connect = tf.config.experimental_connect_to_cluster
start = tf.tpu.experimental.initialize_tpu_system

check("start before connecting", lambda: start(Resolver()))
check("strategy before starting", lambda: tf.distribute.TPUStrategy(Resolver()))
resolver = Resolver()
report("cluster", [resolver.cluster_spec().as_dict(), resolver.master()])
connect(resolver)
topology = start(resolver)
report("cores", [device.name for device in tf.config.list_logical_devices("TPU")])
report("mesh", topology.mesh_shape.tolist())
check("another TPU", lambda: Resolver("someone-elses").master())
old = tf.distribute.experimental.TPUStrategy(resolver)
report("experimental", old.num_replicas_in_sync)
strategy = tf.distribute.TPUStrategy(resolver)
report("is TPUStrategy", isinstance(strategy, tf.distribute.TPUStrategy))
with strategy.scope():
    weight = tf.Variable(tf.zeros([4, 1]))
    total = tf.Variable(0.0)
    mean = tf.keras.metrics.Mean()


def run(step, dataset=None, rows=16, **options):
    """The results of a step on all cores, as text."""
    if dataset is None:
        dataset = tf.data.Dataset.from_tensor_slices(tf.ones([rows, 4]))
        dataset = dataset.batch(16, drop_remainder=rows == 16)
    iterator = iter(strategy.experimental_distribute_dataset(dataset))

    @tf.function
    def one(iterator):
        return strategy.run(step, args=(next(iterator),))

    return [value.numpy().tolist() for value in strategy.experimental_local_results(one(iterator))]


def context():
    return tf.distribute.get_replica_context()


shapes = []


def learn(batch):
    shapes.append(batch.shape.as_list())
    with tf.GradientTape() as tape:
        squares = tf.reduce_sum((tf.matmul(batch, weight) - 2.0) ** 2, 1)
        loss = tf.nn.compute_average_loss(squares, global_batch_size=16)
    gradient = context().all_reduce("SUM", tape.gradient(loss, weight))
    weight.assign_sub(0.1 * gradient)
    mean.update_state(loss * 8)
    return loss


check("loss", lambda: run(learn))
report("shape of a core", shapes[-1])
report("copies", len(set(value.numpy().tobytes() for value in weight.values)))
report("weight", weight.numpy().ravel().tolist())
report("mean", float(mean.result()))
check("sum without variables", lambda: run(lambda x: context().all_reduce("SUM", x[0, 0])))
check("gather", lambda: run(lambda x: context().all_gather(x[:, :1], axis=0))[7])
check("replica id", lambda: run(lambda x: context().replica_id_in_sync_group))
check("assign", lambda: run(lambda x: total.assign_add(tf.reduce_sum(x))))
check("partial batch", lambda: run(lambda x: tf.reduce_sum(x), rows=13))
check("outside", lambda: run(lambda x: tf.compat.v1.tpu.outside_compilation(tf.identity, x))[0])
check("pure eager", lambda: strategy.run(lambda: tf.constant(1.0)))
check("py_function", lambda: run(lambda x: tf.py_function(lambda y: y, [x], tf.float32)))
check("print", lambda: run(lambda x: (tf.print(x), x)[1]))
strings = tf.data.Dataset.from_tensor_slices(["a"] * 16).batch(16)
check("strings", lambda: run(tf.strings.length, strings))
check("ragged", lambda: run(tf.identity, tf.data.Dataset.from_tensors(tf.ragged.constant([[1], []]))))
check("variable in step", lambda: run(lambda x: tf.Variable(1.0) + x))
numbers = tf.data.Dataset.range(32)
check("batch of 12", lambda: run(tf.identity, numbers.batch(12, drop_remainder=True))[0])
mapped = numbers.map(lambda x: tf.numpy_function(lambda y: y, [x], tf.int64)).batch(16)
check("numpy_function in the pipeline", lambda: run(tf.identity, mapped))
with open("rows.csv", "w") as rows:
    rows.write("1\n" * 32)
lines = tf.data.TextLineDataset(os.path.abspath("rows.csv")).map(tf.strings.to_number).batch(16)
check("local file", lambda: run(tf.identity, lines))
found = tf.data.Dataset.list_files(os.path.abspath("row*.csv"))
found = found.interleave(tf.data.TextLineDataset).map(tf.strings.to_number).batch(16)
check("local files found", lambda: run(tf.identity, found))
check("a core fails", lambda: run(lambda x: tf.reshape(x, [7])))
with tf.device("/job:worker/replica:0/task:0/device:TPU:1"):
    report("placed", tf.add(1.0, 1.0).device)

checkpoint = tf.train.Checkpoint(weight=weight)
here = tf.train.CheckpointOptions(experimental_io_device="/job:localhost")
check("local checkpoint", lambda: checkpoint.save("here/model"))
check("local checkpoint of the replica", lambda: checkpoint.write("here/model", options=here))
check("local restore", lambda: checkpoint.read("here/model"))
check("remote checkpoint", lambda: checkpoint.write("ram://bucket/model"))
check("local export", lambda: tf.saved_model.save(checkpoint, "here/export"))
check("local summaries", lambda: tf.summary.create_file_writer("here/summaries"))
tf.config.set_soft_device_placement(True)
check("py_function on the host", lambda: run(lambda x: tf.py_function(lambda y: y, [x], tf.float32))[0])


def fails_on_some(numbers):
    with tf.control_dependencies([tf.debugging.assert_less(numbers, tf.constant(6, tf.int64))]):
        return context().all_reduce("SUM", tf.reduce_sum(tf.identity(numbers)))


check("some cores fail", lambda: run(fails_on_some, numbers.batch(16, drop_remainder=True)))
outcomes.finish()
