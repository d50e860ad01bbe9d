"""Where models lie in a folder, by the names of its files."""

from collections.abc import Collection
from typing import Final

from emulator.exports.evidence import Framework
from emulator.savedmodel import BINARY, TEXT

SAVED_MODEL: Final = frozenset({BINARY, TEXT})
PICKLES: Final = ("model.joblib", "model.pkl")
BOOSTER: Final = "model.bst"
ENDINGS: Final = (".joblib", ".pkl", ".pickle", ".bst")
_TEMPORARY: Final = ("temp-", "variables_temp", "_temporary")


def framework(files: Collection[str]) -> Framework:
    """What the service would take a folder for, a pickle for scikit-learn's."""
    if SAVED_MODEL & set(files):
        return "tensorflow"
    if BOOSTER in files:
        return "xgboost"
    return "scikit-learn" if set(PICKLES) & set(files) else ""


def model_files(files: Collection[str]) -> list[str]:
    """Files that the service would load, other than SavedModels."""
    return [name for name in (*PICKLES, BOOSTER) if name in files]


def misnamed(files: Collection[str]) -> list[str]:
    """Files beside which a model of the right name is missing."""
    if framework(files):
        return []
    return sorted(name for name in files if "/" not in name and name.endswith(ENDINGS))


def exports_below(files: Collection[str]) -> list[str]:
    """Folders below that hold a SavedModel, the oldest first: exports are named by their time."""
    found = {name.rpartition("/")[0] for name in files if name.rpartition("/")[2] in SAVED_MODEL}
    whole = [folder for folder in found - {""} if not is_temporary(folder)]
    return sorted(whole, key=lambda folder: (-folder.count("/"), len(folder), folder))


def is_temporary(name: str) -> bool:
    """Whether a name is one that exporters use until they have finished."""
    return any(part.startswith(_TEMPORARY) for part in name.split("/"))
