"""TPUStrategy of 1.15: a MirroredStrategy with one replica a core.

Its name does not begin with TPUStrategy, which would send Keras into code for the real thing.
"""

from tensorflow.python.distribute import mirrored_strategy, tpu_strategy

from cmle_accelerators.replacing import everywhere


def install(cores):
    devices = ["/cpu:%d" % core for core in range(cores)]

    def emulate(original, mirrored):
        class EmulatedTPUStrategy(mirrored):
            steps_per_run = 1

            def __init__(self, tpu_cluster_resolver=None, *rest, **options):
                self.tpu_cluster_resolver = tpu_cluster_resolver
                super(EmulatedTPUStrategy, self).__init__(devices=devices)

        everywhere(original, EmulatedTPUStrategy)

    emulate(tpu_strategy.TPUStrategyV1, mirrored_strategy.MirroredStrategyV1)
    emulate(tpu_strategy.TPUStrategy, mirrored_strategy.MirroredStrategy)
