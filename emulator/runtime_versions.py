"""The service's runtime versions: all that were published, and which can be made here."""

import functools
import tomllib
from typing import Final

import msgspec

from emulator.shipped import CATALOG

_FILE: Final = CATALOG / "runtime_versions.toml"


class RuntimeVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``environments`` maps a Python version to a file of pinned requirements."""

    released: str
    tensorflow: str
    python: tuple[str, ...]
    scikit_learn: str = ""
    xgboost: str = ""
    environments: dict[str, str] = {}

    @property
    def is_built(self) -> bool:
        return bool(self.environments)


class StandIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What runs instead of a runtime version on newer Pythons, the preferred one first."""

    runtime: str
    python: tuple[str, ...]
    tensorflow: str
    requirements: str
    variables: dict[str, str] = {}


class RuntimeVersions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole catalogue."""

    runtimes: dict[str, RuntimeVersion]
    stand_ins: tuple[StandIn, ...] = ()

    def refusal(self, version: str, python_version: str) -> str | None:
        """A sentence that says why there is no environment; None where there is one."""
        known = self.runtimes.get(version)
        if known is None:
            return (
                f"Runtime version '{version}' is not in the catalogue. {self._offer()} "
                "(A version is a quoted string: 1.10 without quotes is 1.1.)"
            )
        if python_version not in known.python:
            return (
                f"Runtime version {version} had Python {' and '.join(known.python)}, "
                f"not '{python_version}'. {self._offer()}"
            )
        if python_version not in known.environments:
            return (
                f"Runtime version {version} with Python {python_version} is in the catalogue, "
                f"but the emulator has no environment for it. {self._offer()}"
            )
        return None

    def _offer(self) -> str:
        ways = [
            f"{version} with Python {python}"
            for version, known in self.runtimes.items()
            for python in known.environments
        ]
        return f"Environments can be made for {' and '.join(ways)}."


@functools.cache
def shipped() -> RuntimeVersions:
    """The catalogue that comes with the emulator."""
    return read(_FILE.read_text())


def read(text: str) -> RuntimeVersions:
    return msgspec.convert(tomllib.loads(text), RuntimeVersions)
