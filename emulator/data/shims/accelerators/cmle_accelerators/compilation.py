"""What XLA could not compile in a step: its operations against the kernel registry."""

from cmle_accelerators import findings, kernels

# Inputs, calls and what the stub puts in the place of the TPU's own operations.
_STRUCTURE = frozenset(
    """
    Arg Assert Case CollectiveGatherV2 CollectiveReduceV2 Const CrossReplicaSum AllToAll
    CollectivePermute If IsVariableInitialized NoOp OutfeedEnqueueTuple PartitionedCall
    Placeholder PlaceholderWithDefault StatefulPartitionedCall StatelessIf StatelessWhile
    TPUReplicateMetadata VarHandleOp VarIsInitializedOp VariableV2 While _Arg _Retval
    """.split()
)
_REF_VARIABLES = frozenset(["Assign", "RefSwitch", "RefIdentity"])
_OUTSIDE = "_xla_outside_compilation"
_STRING = 7  # DT_STRING
_SHOWN = 8
REFUSAL = (
    "Compilation failure: Detected unsupported operations when trying to compile graph "
    "cluster on XLA_TPU_JIT: %s"
)
ADVICE = (
    " (TPU stub: a real TPU compiles the whole step and refuses the job here. Move this to the "
    "input pipeline or the host%s.)"
)


def unsupported(operations, graph):
    """Pairs (operation type, node name) that XLA has no kernel for, functions included."""
    known = kernels.compilable()
    if not known:
        findings.report("tpu", "unchecked", "this TensorFlow has no XLA to ask what compiles")
        return []
    walk = _Walk(graph, known)
    for operation in operations:
        if operation.type == "Const" and _only_asserted(operation):
            continue
        walk.visit(operation.type, operation.name, operation.node_def.attr)
    return walk.found


def _only_asserted(operation):
    """XLA drops assertions, and what nobody uses."""
    users = [user for output in operation.outputs for user in output.consumers()]
    return all(user.type == "Assert" for user in users)


class _Walk(object):
    def __init__(self, graph, known):
        self.found = []
        self._graph = graph
        self._known = known
        self._seen = set()

    def visit(self, kind, name, attributes):
        if _OUTSIDE in attributes:
            return
        if kind == "Const" and attributes["dtype"].type == _STRING:
            self.found.append(("Const of strings", name))
        elif kind not in self._known and kind not in _STRUCTURE and kind not in _REF_VARIABLES:
            self.found.append((kind, name))
        for key in attributes:
            value = attributes[key]
            for function in [value.func.name] + [called.name for called in value.list.func]:
                if function and function not in self._seen:
                    self._seen.add(function)
                    self._visit_function(function)

    def _visit_function(self, name):
        definition = _definition(self._graph, name)
        if definition is None:
            return
        asserting = any(node.op == "Assert" for node in definition.node_def)
        for node in definition.node_def:
            text = node.op == "Const" and node.attr["dtype"].type == _STRING
            if not (text and asserting):  # XLA drops assertions with their messages
                self.visit(node.op, node.name, node.attr)


def _definition(graph, name):
    get = getattr(graph, "_get_function", None)
    function = get(name) if get else None
    if function is not None:
        for attribute in ("definition", "function_def"):
            if hasattr(function, attribute):
                return getattr(function, attribute)
    try:
        from tensorflow.python.eager import context

        return context.context().get_function_def(name)
    except Exception:
        return None  # not in reach: nothing is known against it


def refusal(found, way_out=""):
    """The error of a TPU's compiler for these operations."""
    from tensorflow.python.framework import errors

    listed = ", ".join(
        "%s (No registered '%s' OpKernel for XLA_TPU_JIT devices compatible with node {{node %s}})"
        % (kind, kind, name)
        for kind, name in found[:_SHOWN]
    )
    return errors.InvalidArgumentError(None, None, REFUSAL % listed + ADVICE % way_out)
