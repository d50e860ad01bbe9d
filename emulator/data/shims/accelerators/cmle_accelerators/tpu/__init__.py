"""The TPU of TensorFlow 2: its own TPUStrategy on one logical CPU a core."""

import logging

from cmle_accelerators import accelerator as accelerators
from cmle_accelerators import tpu_sessions


def install(accelerator):
    from cmle_accelerators import device_iterators
    from cmle_accelerators.tpu import checkpoints, collectives, inputs, replicate, strategy, system

    cores = accelerators.tpu_cores(accelerator)
    state = system.install(cores)
    tpu_sessions.install()
    strategy.install(cores, state)
    replicate.install()
    collectives.install()
    inputs.install(cores, state)
    device_iterators.install()
    checkpoints.install(state)
    logging.getLogger("cmle.tpu").warning(
        "The %s of this job is emulated on the CPU%s: TPUStrategy runs %d replicas in sync, what "
        "XLA could not compile is refused, and speed and memory say nothing of a real TPU.",
        accelerator.type,
        "" if cores == accelerator.count else " with %d of %d cores" % (cores, accelerator.count),
        cores,
    )
