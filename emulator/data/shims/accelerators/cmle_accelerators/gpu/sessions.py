"""Sessions of TensorFlow 1: graphs name GPUs, and soft placement lets the CPU have them."""

import re

from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import errors

from cmle_accelerators.replacing import method

_GPU = re.compile(r"(?i)gpu:(\d+)")


def install(cards):
    def with_soft_placement(original):
        def __init__(self, target, graph=None, config=None):
            self._refuses_devices = config is None or not config.allow_soft_placement
            self._looked_at = 0
            if not target:
                soft = config_pb2.ConfigProto()
                if config is None:
                    from tensorflow.python.eager import context

                    config = context.context().config
                soft.CopyFrom(config)
                soft.allow_soft_placement = True
                config = soft
            original(self, target, graph, config)

        return __init__

    def looking_at_devices(original):
        def _extend_graph(self):
            if self._refuses_devices:
                self._looked_at = _check(self.graph, self._looked_at, cards.count)
            original(self)

        return _extend_graph

    method(session.BaseSession, "__init__", with_soft_placement)
    method(session.BaseSession, "_extend_graph", looking_at_devices)


def _check(graph, since, count):
    """Raise for a device that the tier lacks, as a Session without soft placement does."""
    operations = graph.get_operations()
    for operation in operations[since:]:
        found = _GPU.search(operation.device or "")
        if found and int(found.group(1)) >= count:
            raise errors.InvalidArgumentError(
                operation.node_def,
                operation,
                "Cannot assign a device for operation %s: {{node %s}} was explicitly assigned to "
                "%s but available devices are [ %s ]. Make sure the device specification refers "
                "to a valid device. (GPU stub: this tier has %d.)"
                % (operation.name, operation.name, operation.device, _available(count), count),
            )
    return len(operations)


def _available(count):
    names = ["CPU:0"] + ["GPU:%d" % number for number in range(count)]
    return ", ".join("/job:localhost/replica:0/task:0/device:" + name for name in names)
