"""What a replica needs in its environment for a stub of its accelerators.

The stubs are ``shipped.ACCELERATORS``, a folder that belongs on the replica's PYTHONPATH beside
``shipped.CAPTURE``, which starts them.
"""

from typing import Final

TPU_NODE_VARIABLE: Final = "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS"  # service reference §4.3


def tpu_variables(accelerator: str, cores: int, node: str) -> dict[str, str]:
    """The variables of a TPU job's master.

    ``accelerator`` as in the API (TPU_V2), ``node`` the TPU's name. oneDNN is off: its
    convolution of an empty batch, which a core without rows gets, breaks batch normalization.
    """
    return {
        "CMLE_TPU_STUB": f"{accelerator}:{cores}",
        TPU_NODE_VARIABLE: node,
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def gpu_variables(accelerator: str, count: int) -> dict[str, str]:
    """The variables of a replica with ``count`` cards of a type such as NVIDIA_TESLA_K80.

    oneDNN is on: without it the CPU has no convolution in a GPU's channels-first order.
    """
    return {"CMLE_GPU_STUB": f"{accelerator}:{count}", "TF_ENABLE_ONEDNN_OPTS": "1"}
