"""Many steps and many epochs on a TPU: what one leaves behind must not stop the next."""

import os

import outcomes
import tensorflow as tf
from outcomes import check, report

outcomes.listen()
resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
tf.config.experimental_connect_to_cluster(resolver)
tf.tpu.experimental.initialize_tpu_system(resolver)
strategy = tf.distribute.TPUStrategy(resolver)
context = tf.distribute.get_replica_context
ones = tf.data.Dataset.from_tensor_slices(tf.ones([64])).map(tf.identity, tf.data.AUTOTUNE)
distributed = strategy.experimental_distribute_dataset(ones.batch(16, drop_remainder=True))


def run(step):
    return strategy.experimental_local_results(strategy.run(step))


@tf.function
def sums():
    return run(lambda: sum(context().all_reduce("SUM", tf.ones([]) * n) for n in [0.5, 1.5] * 4))


def threads():
    return len(os.listdir("/proc/self/task"))


report("sum", [value.numpy().tolist() for value in sums()])
before = threads()
for _ in range(20):
    sums()
report("more threads", threads() - before)


@tf.function
def some():
    def step():
        first = tf.equal(context().replica_id_in_sync_group, 0)
        return tf.cond(first, lambda: context().all_reduce("SUM", tf.ones([])), lambda: 0.0)

    return run(step)


check("left out", lambda: [value.numpy().tolist() for value in some()])


@tf.function
def consume(iterator):
    return strategy.run(tf.reduce_sum, args=(next(iterator),))


autotuned = []  # of the datasets that an iterator was made of
name = "_apply_debug_options"
if not hasattr(tf.data.Dataset, name):
    name = "_apply_options"  # TensorFlow 2.4
make = getattr(tf.data.Dataset, name)


def recorded(dataset):
    options = dataset.options()
    if hasattr(options, "autotune"):
        autotuned.append(options.autotune.enabled)
    else:
        autotuned.append(options.experimental_optimization.autotune)
    return make(dataset)


setattr(tf.data.Dataset, name, recorded)
iter(distributed)
report("autotuned", autotuned)
epochs = 0
for _ in range(20):
    iterator = iter(distributed)
    for _ in range(4):
        consume(iterator)
    epochs += 1
report("epochs", epochs)
outcomes.finish()
