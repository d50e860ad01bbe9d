"""Checkpoints, SavedModels and summaries: their files are the TPU's host's, so gs:// only."""

import tensorflow as tf
from tensorflow.python.ops import summary_ops_v2

from cmle_accelerators import local_files
from cmle_accelerators.replacing import everywhere, method

try:
    from tensorflow.python.checkpoint import functional_saver
except ImportError:
    from tensorflow.python.training.saving import functional_saver


def install(state):
    def refuse_local(path, options=None):
        if isinstance(path, tf.Tensor):
            path = path.numpy() if hasattr(path, "numpy") else None  # unknown while tracing
        if isinstance(path, bytes):
            path = path.decode("utf-8", "replace")
        on_replica = getattr(options, "experimental_io_device", None)
        if state.started and path and not on_replica and local_files.is_local(path):
            local_files.refuse(path)

    def wrap(original):
        def checked(self, file_prefix, options=None):
            refuse_local(file_prefix, options)
            return original(self, file_prefix, options)

        return checked

    for name in ("save", "restore"):
        method(functional_saver.MultiDeviceSaver, name, wrap)

    create = summary_ops_v2.create_file_writer_v2

    def create_file_writer(logdir, *rest, **options):
        refuse_local(logdir)
        return create(logdir, *rest, **options)

    everywhere(create, create_file_writer)
