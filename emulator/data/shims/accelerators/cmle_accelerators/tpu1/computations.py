"""``tpu.rewrite``, ``shard`` and the rest: the computation is checked and runs once, on the CPU."""

from tensorflow.python.framework import ops
from tensorflow.python.ops import array_ops, control_flow_ops
from tensorflow.python.tpu import tpu, tpu_function
from tensorflow.python.tpu.ops import tpu_ops
from tensorflow.python.util import nest

from cmle_accelerators import compilation, findings
from cmle_accelerators.replacing import everywhere
from cmle_accelerators.tpu1 import checking


def install(cores):
    cross_replica_sum = tpu_ops.cross_replica_sum

    def sum_of_one(x, group_assignment=None, name=None):
        if checking.active():
            # a real operation, so that TensorFlow finds the optimizer's sum; it is never run
            return cross_replica_sum(x, [list(range(cores))], name)
        return array_ops.identity(x, name)

    everywhere(cross_replica_sum, sum_of_one)

    def rewrite(computation, inputs=None, *rest, **options):
        return _once(computation, inputs)

    def shard(computation, inputs=None, num_shards=1, *rest, **options):
        _report_shards(num_shards)
        return _once(computation, inputs)

    def replicate(computation, inputs=None, *rest, **options):
        inputs = [[]] if inputs is None else inputs
        outputs = [_once(computation, one) for one in inputs]
        return [out if isinstance(out, list) else [] for out in outputs]

    everywhere(tpu.rewrite, rewrite)
    everywhere(tpu.shard, shard)
    everywhere(tpu.batch_parallel, shard)
    everywhere(tpu.replicate, replicate)


def _report_shards(count):
    if count > 1:
        findings.note(
            "tpu",
            "a computation for %d shards runs once with the whole batch; means over the batch are "
            "the same, statistics of a core's own batch are not." % count,
        )


def _once(computation, inputs):
    graph = ops.get_default_graph()
    before = len(graph.get_operations())
    arguments = [ops.convert_to_tensor(x) for x in (inputs or [])]
    with tpu_function.tpu_shard_context(1):
        output = computation(*[array_ops.identity(x) for x in arguments])
    found = compilation.unsupported(graph.get_operations()[before:], graph)
    if found:
        raise compilation.refusal(found)
    if output is None:
        return control_flow_ops.no_op()
    flat = output if isinstance(output, (list, tuple)) else [output]
    tensors = [x for x in nest.flatten(flat) if not isinstance(x, ops.Operation)]
    operations = [x for x in nest.flatten(flat) if isinstance(x, ops.Operation)]
    with ops.control_dependencies(operations):
        outputs = [array_ops.identity(x) for x in tensors]
        return outputs if outputs else control_flow_ops.no_op()
