"""The TPU of TensorFlow 1.15: estimators on the CPU, their step checked as a TPU would see it."""

import logging

from cmle_accelerators import accelerator as accelerators
from cmle_accelerators import imports, tpu_sessions

_ESTIMATOR = "tensorflow_estimator.python.estimator.tpu.tpu_estimator"


def install(accelerator):
    from cmle_accelerators.tpu1 import computations, strategy, system

    cores = accelerators.tpu_cores(accelerator)
    system.install(cores)
    tpu_sessions.install()
    computations.install(cores)
    strategy.install(cores)
    imports.after(_ESTIMATOR, _install_estimator)
    logging.getLogger("cmle.tpu").warning(
        "The %s of this job is emulated on the CPU%s: TPUEstimator runs with the global batch, its "
        "model_fn is checked once with the shapes that each of %d cores would see, and speed and "
        "memory say nothing of a real TPU.",
        accelerator.type,
        "" if cores == accelerator.count else " with %d of %d cores" % (cores, accelerator.count),
        cores,
    )


def _install_estimator():
    from cmle_accelerators.tpu1 import estimator

    estimator.install()
