"""Files that ship with the emulator, in a checkout and in an installed wheel alike."""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
DATA: Final = PACKAGE / "data"
SHIMS: Final = DATA / "shims"
CATALOG: Final = DATA / "catalog"
CAPTURE: Final = SHIMS / "capture"  # on PYTHONPATH of replicas: its sitecustomize.py logs
ACCELERATORS: Final = SHIMS / "accelerators"  # on PYTHONPATH beside it: stubs of TPU and GPU


def folder(name: str) -> Path:
    """``docker`` or ``trainer_fixtures``: inside the wheel, else beside the package."""
    inside = DATA / name
    return inside if inside.is_dir() else PACKAGE.parent / name
