"""What the service offers: scale tiers, machine types, accelerators, regions, runtime versions."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator import runtime_versions
from emulator.errors import OperatorError
from emulator.runtime_versions import RuntimeVersions
from emulator.shipped import CATALOG

_FILES: Final = ("scale_tiers", "machine_types", "accelerators", "regions", "rates")
_GPU: Final = "NVIDIA_"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine type; ``alike`` is the Compute Engine type that a legacy name stands for."""

    cpus: int
    memory_gb: float
    alike: str = ""
    accelerator: str = ""
    count: int = 0


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scale tier: machine types, and how many replicas beside the master."""

    master: str = ""
    worker: tuple[str, int] | None = None
    parameter_server: tuple[str, int] | None = None
    accelerator: tuple[str, int] | None = None


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    training: bool = False
    online: bool = False
    accelerators: tuple[str, ...] = ()


class Machines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Machine types by family; ``prediction`` are those of model versions."""

    legacy: dict[str, Machine]
    tpu: dict[str, Machine]
    compute: dict[str, Machine]
    prediction: dict[str, Machine]

    def training(self, name: str) -> Machine | None:
        """A machine type that a training job may name."""
        return self.legacy.get(name) or self.compute.get(name) or self.tpu.get(name)

    def of_tier(self, name: str) -> Machine | None:
        """Also one that a scale tier has and a job may name by its legacy name only."""
        alike = (it for it in self.legacy.values() if it.alike == name and not it.accelerator)
        return self.training(name) or next(alike, None)


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices an hour: of a CPU by the beginning of a machine type's name, of an accelerator."""

    unit: float
    cpu: dict[str, float]
    accelerator: dict[str, float]


class Catalog(msgspec.Struct, frozen=True):
    """``counts`` tells, per machine type and accelerator, how many may be attached."""

    tiers: dict[str, Tier]
    machines: Machines
    counts: dict[str, dict[str, tuple[int, ...]]]
    regions: dict[str, Region]
    rates: Rates
    runtimes: RuntimeVersions

    @property
    def training_regions(self) -> list[str]:
        return sorted(name for name, region in self.regions.items() if region.training)


@cache
def load(override: Path | None = None) -> Catalog:
    """Read the tables; once a process.

    Files of the same names in the folder ``override`` add to the shipped tables: a table of
    theirs is merged into ours, anything else replaces it. OperatorError if they do not fit.
    """
    document = {name: _document(CATALOG / f"{name}.toml") for name in _FILES}
    if override is None:
        return _catalog(document)
    try:
        for name in _names(override):
            document[name] = _merged(document[name], _document(override / f"{name}.toml"))
        return _catalog(document)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise OperatorError(
            f"The catalog in {override} cannot be used: {error}. Each file there is named as a "
            f"shipped one ({', '.join(f'{name}.toml' for name in _FILES)}) and has its form."
        ) from error


def is_gpu(accelerator: str) -> bool:
    return accelerator.startswith(_GPU)


def _names(folder: Path) -> list[str]:
    names = sorted(path.stem for path in folder.iterdir() if path.suffix == ".toml")
    if unknown := [name for name in names if name not in _FILES]:
        raise ValueError(f"{unknown[0]}.toml is no file of the catalog")
    return names


def _catalog(document: Mapping[str, Any]) -> Catalog:
    return Catalog(
        tiers=msgspec.convert(document["scale_tiers"], dict[str, Tier]),
        machines=msgspec.convert(document["machine_types"], Machines),
        counts=_counts(document["accelerators"]),
        regions=msgspec.convert(document["regions"], dict[str, Region]),
        rates=msgspec.convert(document["rates"], Rates),
        runtimes=runtime_versions.shipped(),
    )


def _document(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _merged(ours: Any, theirs: Any) -> Any:
    """Tables are merged, lists joined; anything else is theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {**ours, **{key: _merged(ours.get(key), value) for key, value in theirs.items()}}
    return [*ours, *theirs] if _is_tables(ours) and _is_tables(theirs) else theirs


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _counts(document: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, ...]]]:
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for row in document["machines"]:
        counts = {name: tuple(value) for name, value in row.items() if name != "types"}
        found |= dict.fromkeys(row["types"], counts)
    return found
