"""What TensorFlow answers when it is asked for GPUs, and the settings that it takes for them."""

from tensorflow.core.framework import device_attributes_pb2
from tensorflow.python.client import device_lib
from tensorflow.python.eager import context
from tensorflow.python.framework import config
from tensorflow.python.platform import test

from cmle_accelerators.replacing import everywhere


def install(cards):
    _install_lists(cards)
    _install_settings(cards)
    everywhere(context.num_gpus, lambda: cards.count)
    type(context.context()).num_gpus = lambda self: cards.count
    everywhere(test.is_built_with_cuda, lambda: True)


def _install_lists(cards):
    physical, logical = config.list_physical_devices, config.list_logical_devices
    visible, show = config.get_visible_devices, config.set_visible_devices
    local = device_lib.list_local_devices

    def with_gpus(original, gpus):
        def listed(device_type=None):
            others = list(original(device_type)) if device_type != "GPU" else []
            return others + (gpus() if device_type in (None, "GPU") else [])

        return listed

    everywhere(physical, with_gpus(physical, lambda: list(cards.physical)))
    everywhere(logical, with_gpus(logical, cards.logical))
    everywhere(visible, with_gpus(visible, lambda: list(cards.visible)))

    def set_visible_devices(devices, device_type=None):
        chosen = list(devices) if isinstance(devices, (list, tuple)) else [devices]
        gpus = [device for device in chosen if cards.holds(device)]
        others = [device for device in chosen if not cards.holds(device)]
        if gpus or device_type in (None, "GPU"):
            cards.visible[:] = gpus
        if others or device_type != "GPU":
            show(others, device_type)

    everywhere(show, set_visible_devices)

    def list_local_devices(session_config=None):
        return local(session_config) + [_attributes(cards, n) for n in range(cards.count)]

    everywhere(local, list_local_devices)


def _attributes(cards, number):
    made = device_attributes_pb2.DeviceAttributes()
    made.name = "/device:GPU:%d" % number
    made.device_type = "GPU"
    made.memory_limit = cards.memory_gib << 30
    made.incarnation = number + 1
    made.physical_device_desc = (
        "device: %d, name: %s, pci bus id: 0000:00:%02x.0, compute capability: %d.%d"
        % ((number, cards.name, number + 4) + cards.compute_capability)
    )
    return made


def _install_settings(cards):
    growth = {}
    details = {"device_name": cards.name, "compute_capability": cards.compute_capability}
    own = {
        "set_memory_growth": growth.__setitem__,
        "get_memory_growth": lambda card: growth.get(card, False),
        "set_logical_device_configuration": cards.divide,
        "set_virtual_device_configuration": cards.divide,
        "get_logical_device_configuration": cards.parts,
        "get_virtual_device_configuration": cards.parts,
        "get_device_details": lambda card: dict(details),
    }
    for name, answer in own.items():
        original = getattr(config, name, None)
        if original is not None:
            everywhere(original, _for_cards(cards, answer, original))
    of_memory = {
        "get_memory_info": lambda device: {"current": 0, "peak": 0},
        "get_memory_usage": lambda device: 0,
        "reset_memory_stats": lambda device: None,
    }
    for name, answer in of_memory.items():
        original = getattr(config, name, None)
        if original is not None:
            everywhere(original, _for_names(answer, original))


def _for_cards(cards, answer, original):
    def chosen(device, *values):
        return (answer if cards.holds(device) else original)(device, *values)

    return chosen


def _for_names(answer, original):
    def chosen(device):
        return (answer if "GPU" in str(device).upper() else original)(device)

    return chosen
