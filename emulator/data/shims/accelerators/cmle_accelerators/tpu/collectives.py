"""Sums and exchanges between cores, as collectives of this process."""

import os

import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import array_ops, collective_ops
from tensorflow.python.ops import control_flow_v2_func_graphs as branches
from tensorflow.python.tpu.ops import tpu_ops

try:
    from tensorflow.python.distribute import tpu_util
except ImportError:  # TensorFlow 2.4
    from tensorflow.python.distribute import tpu_values as tpu_util

from cmle_accelerators.replacing import everywhere

# Seconds that one core waits where others may not come: a branch or a loop of its own.
TIMEOUT_S = float(os.environ.get("CMLE_TPU_COLLECTIVE_TIMEOUT_S", "300"))
_GROUP = 1
_BRANCHES = (
    branches.CondBranchFuncGraph,
    branches.WhileBodyFuncGraph,
    branches.WhileCondFuncGraph,
)


def install():
    from cmle_accelerators.tpu.replicate import CoreContext

    def current():
        context = tpu_util.enclosing_tpu_context()
        return context if isinstance(context, CoreContext) else None

    def cross_replica_sum(x, group_assignment=None, name=None):
        context = current()
        if context is None:
            return x
        _refuse_groups(group_assignment)
        return collective_ops.all_reduce_v2(
            ops.convert_to_tensor(x),
            group_size=context.cores,
            group_key=_GROUP,
            instance_key=context.next_key(),
            merge_op="Add",
            final_op="Id",
            communication_hint="auto",
            timeout=_timeout(context),
        )

    def all_to_all(x, concat_dimension, split_dimension, split_count, *rest, **options):
        context = current()
        x = ops.convert_to_tensor(x)
        gathered = collective_ops.all_gather_v2(
            array_ops.expand_dims(x, 0),
            group_size=context.cores,
            group_key=_GROUP,
            instance_key=context.next_key(),
            communication_hint="auto",
            timeout=_timeout(context),
        )
        gathered.set_shape([context.cores] + x.shape.as_list())
        mine = [
            array_ops.gather(
                tf.stack(array_ops.split(gathered[core], split_count, axis=split_dimension)),
                context.replica_id,
            )
            for core in range(context.cores)
        ]
        return array_ops.concat(mine, axis=concat_dimension)

    everywhere(tpu_ops.cross_replica_sum, cross_replica_sum)
    everywhere(tpu_ops.all_to_all, all_to_all)


def _timeout(context):
    """Seconds, 0 for none.

    TensorFlow starts a thread for every time limit, which sleeps until it is over; so only those
    have one that some cores might leave out. What all cores come to needs none: an error in one
    of them ends the others.
    """
    graph = ops.get_default_graph()
    while graph is not None and graph is not context.graph:
        if isinstance(graph, _BRANCHES):
            return TIMEOUT_S
        graph = getattr(graph, "outer_graph", None)
    return 0


def _refuse_groups(assignment):
    if assignment is not None and len(assignment) > 1:
        raise NotImplementedError(
            "TPU stub: sums within groups of cores (group_assignment) are not emulated; a real TPU "
            "does them."
        )
