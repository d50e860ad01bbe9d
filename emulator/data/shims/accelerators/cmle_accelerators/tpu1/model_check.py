"""A model_fn as one core of a TPU would see it: shapes of a core's batch, XLA's operations."""

import tensorflow as tf
from tensorflow.python.data.util import nest
from tensorflow.python.framework import errors, ops, sparse_tensor
from tensorflow.python.ops import array_ops
from tensorflow.python.tpu import tpu_function
from tensorflow_estimator.python.estimator import model_fn as model_fn_lib
from tensorflow_estimator.python.estimator.tpu import tpu_estimator

from cmle_accelerators import compilation, findings, local_files, pipelines
from cmle_accelerators.tpu1 import checking

_MODES = model_fn_lib.ModeKeys


def check(wrapper, features, labels):
    """Raise what a TPU would raise before the first step of ``wrapper``'s mode."""
    _check_pipeline(ops.get_default_graph())
    context = wrapper._ctx
    with checking.as_on_tpu():
        wrapper._validate_model_features_and_labels(features, labels, is_export_mode=False)
        cut = _Cut(context)
        structure = nest.map_structure(cut.described, (features, labels))
        with tf.Graph().as_default() as graph:
            tf.get_variable_scope().set_use_resource(True)
            tf.train.get_or_create_global_step()
            with tpu_function.tpu_shard_context(context.num_replicas):
                outputs = _build_step(wrapper, structure)
            if context.mode == _MODES.TRAIN:
                tpu_estimator._validate_tpu_training_graph()
    _check_model_dir(wrapper._config.model_dir)
    found = compilation.unsupported(_needed_for(outputs), graph)
    if found:
        raise compilation.refusal(found, " by a host_call")
    _report_summaries(graph)


def _build_step(wrapper, structure):
    """The step of the mode, built by TensorFlow's own code for TPUs; answer what it computes."""

    def dequeue():
        features, labels = nest.map_structure(lambda made: made(), structure)
        return tpu_estimator._Inputs(features, labels, signals=_signals(wrapper._ctx))

    if wrapper._ctx.mode == _MODES.TRAIN:
        step = wrapper.convert_to_single_tpu_train_step(dequeue)[0]
    elif wrapper._ctx.mode == _MODES.EVAL:
        step = wrapper.convert_to_single_tpu_eval_step(dequeue)[0]
    else:
        step = wrapper.convert_to_single_tpu_predict_step(dequeue)[0]
    return step(tf.constant(0.0))


def _signals(context):
    if context.mode != _MODES.PREDICT:
        return None
    batch = context.batch_size_for_model_fn
    return tpu_estimator._StopSignals(stop=False, batch_size=batch).as_dict()


class _Cut(object):
    """Makes placeholders of a core's share of the inputs."""

    def __init__(self, context):
        self._cores = context.num_replicas
        self._axes = getattr(context, "_batch_axis", None)
        self._whole = context.is_input_broadcast_with_iterators()

    def described(self, tensor):
        """A function that makes the placeholder in the default graph of its call."""
        if tensor is None:
            return lambda: None
        if isinstance(tensor, sparse_tensor.SparseTensor):
            raise TypeError(
                "TPU stub: input_fn answers a SparseTensor (%s); a real TPU's infeed takes dense "
                "tensors only." % tensor
            )
        if tensor.dtype == tf.string:
            raise errors.UnimplementedError(
                None,
                None,
                "Infeed does not support strings: %s (TPU stub: a real TPU takes numbers only; "
                "look words up in input_fn.)" % tensor.name,
            )
        dtype, shape = tensor.dtype, tensor.shape.as_list()
        if shape and not self._whole:
            shape[0] = self._share(tensor, shape[0])
        return lambda: array_ops.placeholder(dtype, shape)

    def _share(self, tensor, size):
        if self._axes is None and size % self._cores:
            raise ValueError(
                "Dimension size must be evenly divisible by %d but is %d for 'split' of %s. (TPU "
                "stub: a real TPU gives every core the same part of the batch. Batch by "
                "params['batch_size'] and make it a multiple of %d.)"
                % (self._cores, size, tensor.name, self._cores)
            )
        return size if self._axes is not None else size // self._cores


def _check_pipeline(graph):
    definition = graph.as_graph_def()
    pipelines.check(definition.node)
    for function in definition.library.function:
        pipelines.check(function.node_def)


def _check_model_dir(model_dir):
    if model_dir and local_files.is_local(model_dir):
        local_files.refuse(model_dir.rstrip("/") + "/model.ckpt-0")


def _needed_for(outputs):
    """The operations that the step's results depend on."""
    waiting = [getattr(output, "op", output) for output in tf.nest.flatten(outputs)]
    seen = set()
    while waiting:
        operation = waiting.pop()
        if operation in seen:
            continue
        seen.add(operation)
        waiting.extend(tensor.op for tensor in operation.inputs)
        waiting.extend(operation.control_inputs)
    return seen


def _report_summaries(graph):
    count = len(graph.get_collection(tf.GraphKeys.SUMMARIES))
    if count:
        findings.report(
            "tpu",
            "summaries",
            "%d tf.summary operations of the model_fn are dropped on a real TPU; write them in a "
            "host_call." % count,
        )
