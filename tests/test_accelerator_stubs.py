from emulator.accelerator_stubs import gpu_variables, tpu_variables
from emulator.shipped import ACCELERATORS


def test_a_tpu_job_learns_its_cores_and_its_node() -> None:
    assert tpu_variables("TPU_V2", 8, "cmle-tpu") == {
        "CMLE_TPU_STUB": "TPU_V2:8",
        "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS": "cmle-tpu",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def test_a_gpu_replica_learns_its_cards() -> None:
    assert gpu_variables("NVIDIA_TESLA_K80", 4) == {
        "CMLE_GPU_STUB": "NVIDIA_TESLA_K80:4",
        "TF_ENABLE_ONEDNN_OPTS": "1",
    }


def test_the_stubs_are_a_package_of_their_own_name() -> None:
    """The folder is on a program's path: it may hide no module of the program's."""
    names = {path.name for path in ACCELERATORS.iterdir()}
    assert names - {"__pycache__"} == {"cmle_accelerators"}
