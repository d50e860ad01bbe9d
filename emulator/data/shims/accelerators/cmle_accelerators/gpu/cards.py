"""The cards of the machine: which there are, which the program sees, how it divides them."""

import os

from tensorflow.python.eager import context

# Compute capability and memory in GiB of the API's types (NVIDIA's data sheets).
_KNOWN = {
    "NVIDIA_TESLA_K80": ("Tesla K80", (3, 7), 11),
    "NVIDIA_TESLA_P4": ("Tesla P4", (6, 1), 7),
    "NVIDIA_TESLA_P100": ("Tesla P100-PCIE-16GB", (6, 0), 15),
    "NVIDIA_TESLA_V100": ("Tesla V100-SXM2-16GB", (7, 0), 15),
    "NVIDIA_TESLA_T4": ("Tesla T4", (7, 5), 14),
    "NVIDIA_TESLA_A100": ("A100-SXM4-40GB", (8, 0), 39),
}


class Cards(object):
    """State of the emulated cards; numbers count logical GPUs from 0."""

    def __init__(self, accelerator):
        known = _KNOWN.get(accelerator.type, (accelerator.type, (7, 0), 15))
        self.name, self.compute_capability, self.memory_gib = known
        self.physical = [
            context.PhysicalDevice("/physical_device:GPU:%d" % number, "GPU")
            for number in range(_shown(accelerator.count))
        ]
        self.visible = list(self.physical)
        self._parts = {}  # physical device -> the configurations it is divided by

    @property
    def count(self):
        """Logical GPUs that the program sees."""
        return sum(len(self._parts.get(card) or [None]) for card in self.visible)

    def holds(self, device):
        return device in self.physical

    def divide(self, card, configurations):
        self._parts[card] = list(configurations or [])

    def parts(self, card):
        return self._parts.get(card) or None

    def logical(self):
        return [
            context.LogicalDevice("/device:GPU:%d" % number, "GPU") for number in range(self.count)
        ]


def _shown(count):
    """CUDA_VISIBLE_DEVICES hides cards; an unknown number ends the list, as in CUDA."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return count
    shown = 0
    for number in listed.split(","):
        if not (number.strip().isdigit() and int(number) < count):
            break
        shown += 1
    return shown
