"""Which of the objects that a job left are a model, by their names."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from emulator.exports import layout
from emulator.exports.evidence import Framework

PYTORCH: Final = (".pt", ".pth", ".mar")


class Model(msgspec.Struct, frozen=True):
    """``folder`` is its gs:// URI, without a slash at the end; PyTorch has no framework."""

    folder: str
    framework: Framework = ""


def newest(written: Iterable[str], job_dir: str) -> Model | None:
    """The newest model below ``job_dir``, else anywhere; ``written`` has the newest last."""
    uris = list(written)
    within = [uri for uri in uris if is_below(uri, job_dir)]
    return _newest(within) or _newest(uris)


def is_below(uri: str, folder: str) -> bool:
    """Whether an object (or a folder) is in a folder; everything is in none."""
    return not folder or f"{uri}/".startswith(f"{folder.rstrip('/')}/")


def _newest(uris: Sequence[str]) -> Model | None:
    """A SavedModel before a file that the service would load, that before any other model."""
    whole = [uri.rpartition("/") for uri in uris if not layout.is_temporary(uri)]
    kinds: tuple[tuple[Framework, tuple[str, ...]], ...] = (
        ("tensorflow", tuple(f"/{name}" for name in layout.SAVED_MODEL)),
        ("scikit-learn", tuple(f"/{name}" for name in layout.PICKLES)),
        ("xgboost", (f"/{layout.BOOSTER}", layout.BOOSTER[layout.BOOSTER.index(".") :])),
        ("scikit-learn", layout.ENDINGS),
        ("", PYTORCH),
    )
    for framework, endings in kinds:
        for folder, _, name in reversed(whole):
            if f"/{name}".endswith(endings):
                return Model(folder, framework)
    return None
