"""Input pipelines of a strategy run on the TPU's host: what they may not do, and batch sizes."""

import numpy as np
import tensorflow as tf
from tensorflow.python.data.experimental.ops import distribute as batching
from tensorflow.python.distribute import tpu_strategy
from tensorflow.python.eager import context
from tensorflow.python.framework import tensor_util

from cmle_accelerators import findings, pipelines
from cmle_accelerators.replacing import method

_LOOKED_AT = 1000  # strings of a constant


def install(cores, state):
    extended = tpu_strategy.TPUExtended

    def of_dataset(original):
        def distribute(self, dataset, *rest, **options):
            check(dataset)
            _check_batch(dataset, cores)
            return original(self, dataset, *rest, **options)

        return distribute

    def of_function(original):
        def distribute(self, dataset_fn, *rest, **options):
            def checked(*arguments):
                dataset = dataset_fn(*arguments)
                check(dataset)
                return dataset

            return original(self, checked, *rest, **options)

        return distribute

    for name in ("_experimental_distribute_dataset", "_make_dataset_iterator"):
        method(extended, name, of_dataset)
    method(extended, "_distribute_datasets_from_function", of_function)


def check(dataset):
    """Raise what the TPU's host would, from the pipeline's own Python objects.

    The graph is not serialized: it may hold gigabytes of data.
    """
    texts, reads = [], False
    for part in _parts(dataset):
        reads = reads or hasattr(part, "_filenames")
        tensors = list(getattr(part, "_tensors", [])) + [getattr(part, "_filenames", None)]
        function = getattr(getattr(part, "_map_func", None), "function", None)
        graph = getattr(function, "graph", None)
        if graph is not None:
            tensors.extend(function.captured_inputs)
            for node in _nodes(graph):
                if pipelines.is_python(node.op):
                    raise pipelines.no_python(node.name)
                reads = reads or pipelines.is_reader(node.op)
                if node.op == "Const" and node.attr["dtype"].type == 7:
                    texts.extend(node.attr["value"].tensor.string_val)
        texts.extend(text for tensor in tensors for text in _strings(tensor))
    pipelines.check_files(texts, reads)


def _parts(dataset):
    """The dataset and all that it is made of."""
    waiting, seen = [dataset], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not hasattr(part, "_inputs"):
            continue
        seen.add(id(part))
        yield part
        waiting.extend(part._inputs())
        for attribute in ("_dataset", "_impl", "_filenames"):
            waiting.append(getattr(part, attribute, None))


def _nodes(graph):
    """NodeDefs of a function's graph and of the functions that it calls."""
    definition = graph.as_graph_def()
    for node in definition.node:
        yield node
    for function in definition.library.function:
        for node in function.node_def:
            yield node


def _strings(tensor):
    if not isinstance(tensor, tf.Tensor) or tensor.dtype.name != "string":
        return []
    value = tensor.numpy() if hasattr(tensor, "numpy") else tensor_util.constant_value(tensor)
    return [] if value is None else list(np.ravel(value)[:_LOOKED_AT])


def _check_batch(dataset, cores):
    if not context.executing_eagerly():
        return
    size = int(batching.compute_batch_size(dataset).numpy())
    if size > 0 and size % cores:
        findings.report(
            "tpu",
            "batch",
            "a global batch of %d does not divide by %d cores: some get fewer rows than others, "
            "and a real TPU pads the smaller ones or compiles a second program. Make it a "
            "multiple of %d." % (size, cores, cores),
        )
