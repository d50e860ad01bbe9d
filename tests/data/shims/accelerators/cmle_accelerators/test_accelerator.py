import subprocess
import sys

import pytest

from emulator.shipped import ACCELERATORS


@pytest.mark.parametrize(
    ("text", "knob", "expected"),
    [
        ("TPU_V2:8", "", "TPU_V2 8 8"),
        ("TPU_V2:8", "2", "TPU_V2 8 2"),
        ("TPU_V3:8", "64", "TPU_V3 8 8"),
        ("NVIDIA_TESLA_K80", "x", "NVIDIA_TESLA_K80 1 1"),
        ("NVIDIA_TESLA_T4:none", "0", "NVIDIA_TESLA_T4 1 1"),
    ],
)
def test_type_count_and_cores(text: str, knob: str, expected: str) -> None:
    code = (
        "import sys\n"
        "from cmle_accelerators.accelerator import Accelerator, tpu_cores\n"
        "asked = Accelerator.parse(sys.argv[1])\n"
        "print(asked.type, asked.count, tpu_cores(asked))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, text],
        env={"PYTHONPATH": str(ACCELERATORS), "CMLE_TPU_CORES": knob},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == expected
