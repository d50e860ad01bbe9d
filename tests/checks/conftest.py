"""The bench of seeded packages: copied, made whole, and checked for real."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.seeds import Seed, wheelhouse
from emulator.checks.check import check
from emulator.cli.options import default_cache_dir
from emulator.findings import Report
from emulator.runtimes import Runtime

Checked = Callable[[Seed], Report]


@pytest.fixture(scope="session", autouse=True)
def _runtimes(made_runtime: Callable[[str], Runtime]) -> None:
    """The checks of these tests have a closed index: their runtimes are there beforehand."""
    for version in ("1.15", "2.11"):
        made_runtime(version)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheelhouse(tmp_path_factory.mktemp("wheelhouse"))


@pytest.fixture
def checked(tmp_path: Path, wheels: Path) -> Checked:
    """Check a seed in a copy of its own."""

    def look(seed: Seed) -> Report:
        place = tmp_path / "case"
        return check(seed.choices(place, cache_dir=default_cache_dir(), wheels=wheels))

    return look
