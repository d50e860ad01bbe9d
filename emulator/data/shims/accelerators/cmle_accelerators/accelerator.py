"""What the job asked for: a type of the API's enumeration and how many."""

import os


class Accelerator(object):
    """``type`` such as TPU_V2 or NVIDIA_TESLA_K80; ``count`` of cores or cards."""

    def __init__(self, type, count):
        self.type = type
        self.count = count

    @classmethod
    def parse(cls, text):
        """``TPU_V2:8``; a number that is missing or no number is 1."""
        type, _, count = text.partition(":")
        return cls(type, max(int(count), 1) if count.isdigit() else 1)


def tpu_cores(accelerator):
    """The cores to emulate: the tier's, or fewer where CMLE_TPU_CORES says so."""
    asked = os.environ.get("CMLE_TPU_CORES", "")
    if asked.isdigit() and int(asked) > 0:
        return min(int(asked), accelerator.count)
    return accelerator.count
