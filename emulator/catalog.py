"""What the service offers: scale tiers, machine types, accelerators, regions, runtime versions."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from emulator import runtime_versions
from emulator.runtime_versions import RuntimeVersions
from emulator.shipped import CATALOG

_T = TypeVar("_T")
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


class Catalog(msgspec.Struct, frozen=True):
    """``counts`` tells, per machine type and accelerator, how many may be attached."""

    tiers: dict[str, Tier]
    machines: Machines
    counts: dict[str, dict[str, tuple[int, ...]]]
    regions: dict[str, Region]
    runtimes: RuntimeVersions

    @property
    def training_regions(self) -> list[str]:
        return sorted(name for name, region in self.regions.items() if region.training)


@cache
def load() -> Catalog:
    """Read the tables; once a process."""
    folder = CATALOG
    return Catalog(
        tiers=_read(folder / "scale_tiers.toml", dict[str, Tier]),
        machines=_read(folder / "machine_types.toml", Machines),
        counts=_counts(_document(folder / "accelerators.toml")),
        regions=_read(folder / "regions.toml", dict[str, Region]),
        runtimes=runtime_versions.shipped(),
    )


def is_gpu(accelerator: str) -> bool:
    return accelerator.startswith(_GPU)


def _document(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _read(path: Path, kind: type[_T]) -> _T:
    return msgspec.convert(_document(path), kind)


def _counts(document: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, ...]]]:
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for row in document["machines"]:
        counts = {name: tuple(value) for name, value in row.items() if name != "types"}
        found |= dict.fromkeys(row["types"], counts)
    return found
