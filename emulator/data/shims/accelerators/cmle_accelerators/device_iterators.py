"""Iterators of distributed data end when they are asked to.

tf.data's autotuning has a thread for each iterator, which sleeps up to a minute between two
rounds. Cancelling wakes it before the cancellation is recorded, so it may go back to sleep, and
whoever deletes the iterator waits. With a core or a card in each of many iterators, some do.
"""

import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

from cmle_accelerators.replacing import method


def install():
    """Leave autotuning out, of the pipeline and of what brings its elements to the devices."""
    create = multi_device_iterator_ops._create_device_dataset

    def create_device_dataset(*arguments, **others):
        return untuned(create(*arguments, **others))

    def of_host(original):
        def __init__(self, dataset=None, *arguments, **others):
            dataset = dataset if dataset is None else untuned(dataset)
            original(self, dataset, *arguments, **others)

        return __init__

    multi_device_iterator_ops._create_device_dataset = create_device_dataset
    method(multi_device_iterator_ops.OwnedMultiDeviceIterator, "__init__", of_host)


def untuned(dataset):
    """The dataset without autotuning: AUTOTUNE keeps the parallelism that it begins with."""
    chosen = tf.data.Options()
    if hasattr(chosen, "autotune"):  # from 2.6 on
        chosen.autotune.enabled = False
    else:
        chosen.experimental_optimization.autotune = False
    return dataset.with_options(chosen)
