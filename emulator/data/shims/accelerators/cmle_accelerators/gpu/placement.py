"""Devices by name: where a program says GPU:1, the second logical CPU does the work."""

import re

from tensorflow.python.distribute import device_util
from tensorflow.python.eager import context
from tensorflow.python.framework import config, errors, ops

from cmle_accelerators import findings
from cmle_accelerators.replacing import everywhere

_NAME = re.compile(r"(?i)((?:device:)?)gpu:(\d+)")


def install(cards, sessions):
    """Make as many logical CPUs as cards, and map names; a TensorFlow 1 graph keeps its names."""
    if sessions:
        cpus = max(len(cards.physical), 1)
        config.set_virtual_device_configuration(
            config.list_physical_devices("CPU")[0],
            [context.VirtualDeviceConfiguration() for _ in range(cpus)],
        )
    else:
        _divide_cpu(len(cards.physical))
        _follow_divisions(cards)

    def mapped(name):
        if not isinstance(name, str) or not _places_itself():
            return name
        return _NAME.sub(lambda found: found.group(1) + "CPU:%d" % place(found), name)

    def place(found):
        number = int(found.group(2))
        if number < cards.count:
            return number
        _refuse_or_report(found.group(2), cards.count, sessions)
        return 0

    for name in ("device", "device_v2"):
        original = getattr(ops, name, None)
        if original is not None:
            everywhere(original, _with_name(original, mapped))
    for name in ("canonicalize", "resolve"):
        original = getattr(device_util, name)
        everywhere(original, _with_name(original, mapped))


def _places_itself():
    """Whether no Session, with its soft placement, will look at the name."""
    return context.executing_eagerly() or ops.get_default_graph().building_function


def _with_name(original, mapped):
    def called(name, *rest, **options):
        return original(mapped(name), *rest, **options)

    return called


def _divide_cpu(count):
    config.set_logical_device_configuration(
        config.list_physical_devices("CPU")[0],
        [context.LogicalDeviceConfiguration() for _ in range(max(count, 1))],
    )


def _follow_divisions(cards):
    divide = cards.divide

    def divide_both(card, configurations):
        divide(card, configurations)
        _divide_cpu(cards.count)

    cards.divide = divide_both


def _refuse_or_report(number, count, sessions):
    chosen = context.context()._soft_device_placement
    if chosen is False or (sessions and not chosen):
        raise errors.InvalidArgumentError(
            None,
            None,
            "Could not satisfy device specification '/job:localhost/replica:0/task:0/device:GPU:%s'"
            ". enable_soft_placement=0. (GPU stub: this tier has %d.)" % (number, count),
        )
    findings.report(
        "gpu",
        "unknown device",
        "GPU:%s does not exist on this tier, which has %d. TensorFlow's soft placement moves the "
        "operation elsewhere without a word, on the real machine as here." % (number, count),
    )
