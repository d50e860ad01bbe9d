"""NCCL's sum over cards, done by the CPU: NcclAllReduce has no kernel without CUDA."""

from tensorflow.python.framework import ops
from tensorflow.python.ops import array_ops, math_ops, nccl_ops

from cmle_accelerators.replacing import everywhere


def install():
    def all_sum(tensors):
        total = math_ops.add_n(tensors)
        summed = []
        for tensor in tensors:
            with ops.device(tensor.device):
                summed.append(array_ops.identity(total))
        return summed

    everywhere(nccl_ops.all_sum, all_sum)
