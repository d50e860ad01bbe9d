"""``tpu.replicate``: the program of a core is traced once and called once on every core."""

import itertools
import logging

import tensorflow as tf
from tensorflow.python.eager import context as eager_context
from tensorflow.python.framework import dtypes, ops, tensor_spec
from tensorflow.python.ops import array_ops, control_flow_ops, gen_resource_variable_ops
from tensorflow.python.tpu import tpu
from tensorflow.python.util import nest

from cmle_accelerators import tpu_system
from cmle_accelerators.replacing import everywhere
from cmle_accelerators.tpu import step_rules

try:  # from 2.12 on in a module of its own
    from tensorflow.python.tpu.tpu_replication import TPUReplicateContext
except ImportError:
    TPUReplicateContext = tpu.TPUReplicateContext

_KEYS_PER_STEP = 100000  # instance keys of collectives; a step has far fewer
_ATTRIBUTES = {"_noinline": True}  # inlined, the cores would run one after the other
_steps = itertools.count(1)


class CoreContext(TPUReplicateContext):
    """TensorFlow sees a TPU's context in it, and so takes its TPU branches."""

    def __init__(self, step, cores, replica=0):
        pivot = control_flow_ops.no_op(name="pivot")
        super().__init__(name="cluster_%d_%d" % (step, replica), num_replicas=cores, pivot=pivot)
        self.cores = cores
        self.replica_id = None  # a tensor: the first input of every program
        self.graph = None  # of the program
        self.collectives = 0
        self.handles = {}  # id of core 0's variable handle -> those of all cores
        self._first_key = step * _KEYS_PER_STEP
        self._replica = replica
        self._kept = []

    def next_key(self):
        self.collectives += 1
        return self._first_key + self.collectives

    def get_replicated_var_handle(self, *arguments, **options):
        # the variables come after a name, and from 2.9 on an id
        variables = next(one for one in arguments if isinstance(one, (list, tuple)))
        handles = [getattr(variable, "handle", variable) for variable in variables]
        self._kept.append(handles)  # ids stay theirs
        self.handles[id(handles[0])] = handles
        return handles[min(self._replica, len(handles) - 1)]

    # TensorFlow would mark operations for a rewriting pass that this machine does not have.
    def AddOp(self, op):
        self._AddOpInternal(op)

    def AddInnerOp(self, op):
        self._AddOpInternal(op)

    def _AddOpInternal(self, op):
        if self._outer_context:
            self._outer_context.AddInnerOp(op)

    def AddValue(self, val):
        return val

    def HostComputeName(self):
        return "host"


def install():
    everywhere(tpu.replicate, replicate)


def replicate(computation, inputs=None, infeed_queue=None, device_assignment=None, name=None, **_):
    """Outputs of ``computation``, a list of tensors for each core."""
    inputs = [[]] if inputs is None else inputs
    flat = [[ops.convert_to_tensor(x) for x in nest.flatten(one)] for one in inputs]
    step_rules.check_inputs(flat[0])
    step = next(_steps)
    with ops.name_scope(name or "TPUReplicate"):
        outputs = None
        if not eager_context.executing_eagerly():
            outputs = _trace_once(computation, inputs, flat, step)
        return outputs if outputs is not None else _trace_each(computation, inputs, flat, step)


def _run(computation, context, structure, flat):
    """The flat outputs of one core's program, operations without a value left out."""
    context.replica_id = flat[0] if flat else None
    context.graph = ops.get_default_graph()
    context.Enter()
    try:
        arguments = nest.pack_sequence_as(structure, [array_ops.identity(x) for x in flat])
        output = computation(*arguments)
    finally:
        context.Exit()
    found = nest.flatten(output) if output is not None else []
    return [
        ops.convert_to_tensor(value)
        for value in found
        if value is not None and not isinstance(value, ops.Operation)
    ]


def _trace_once(computation, inputs, flat, step):
    """None where the program holds a resource that cores would have to share in a collective."""
    cores = len(inputs)
    contexts = []

    def program(turn, *values):
        context = CoreContext(step, cores)
        contexts.append(context)
        return _run(computation, context, inputs[0], list(values))

    specs = [_common_spec(column) for column in zip(*flat)]
    function = _concrete(program, [tensor_spec.TensorSpec([], dtypes.resource)] + specs)
    step_rules.check_program(function.graph.get_operations(), function.graph)
    (context,) = contexts[-1:]
    captured = list(function.captured_inputs)
    shared = [
        one for one in captured if one.dtype.name == "resource" and id(one) not in context.handles
    ]
    if shared and context.collectives:
        logging.getLogger("cmle.tpu").info(
            "TPU stub: the step shares a resource between cores, so each core is traced by itself"
        )
        return None
    outputs = []
    for core in range(cores):
        mine = [context.handles[id(x)][core] if id(x) in context.handles else x for x in captured]
        with ops.device(tpu_system.cpu(core)):
            result = function._call_flat([_turn_of_its_own()] + flat[core], mine)
        values = nest.flatten(result) if result is not None else []
        outputs.append([value for value in values if isinstance(value, tf.Tensor)])
    return outputs


def _turn_of_its_own():
    """A resource that no other core has.

    TensorFlow runs stateful calls without one after another, and the first would wait in its
    collective for the second.
    """
    return gen_resource_variable_ops.var_handle_op(dtype=dtypes.float32, shape=[])


def _concrete(program, specs):
    try:  # from 2.14 on
        from tensorflow.python.eager.polymorphic_function import tracing_compilation as tracing
    except ImportError:
        from tensorflow.python.eager import function

        traced = function.defun_with_attributes(program, attributes=_ATTRIBUTES, autograph=False)
        return traced.get_concrete_function(*specs)
    options = tracing.TracingOptions(
        program, name="tpu_cluster", attributes=_ATTRIBUTES, autograph=False
    )
    return tracing.trace_function(tuple(specs), tracing_options=options)


def _common_spec(tensors):
    """One program serves all cores: its shapes are what theirs have in common."""
    shape = tensors[0].shape
    for tensor in tensors[1:]:
        shape = shape.most_specific_compatible_shape(tensor.shape)
    return tensor_spec.TensorSpec(shape, tensors[0].dtype)


def _trace_each(computation, inputs, flat, step):
    graph = ops.get_default_graph()
    cores = len(inputs)
    outputs = []
    for core in range(cores):
        before = len(graph.get_operations())
        with ops.device(tpu_system.cpu(core)), ops.name_scope("replica_%d" % core):
            context = CoreContext(step, cores, core)
            outputs.append(_run(computation, context, inputs[core], flat[core]))
        if core == 0:
            step_rules.check_program(graph.get_operations()[before:], graph)
    return outputs
