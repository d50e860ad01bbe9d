"""The bench of seeded packages: copied, made whole, and checked for real."""

import os
import runpy
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.checks.check import check
from emulator.checks.choices import Choices
from emulator.cli.options import default_cache_dir
from emulator.findings import Report
from emulator.runtimes import Runtime
from emulator.shipped import folder

BENCH = folder("trainer_fixtures") / "checks"
DEADLINE_S = 8.0
Checked = Callable[[Path], Report]


@pytest.fixture(scope="session", autouse=True)
def _runtimes(made_runtime: Callable[[str], Runtime]) -> None:
    """The checks of these tests have a closed index: their runtimes are there beforehand."""
    for version in ("1.15", "2.11"):
        made_runtime(version)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed index with one small library, so that no test needs a network."""
    path = tmp_path_factory.mktemp("wheelhouse")
    info = "ridehelper-1.0.dist-info"
    tags = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "ridehelper.py": "NAME = 'helper'\n",
        f"{info}/WHEEL": tags,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: ridehelper\nVersion: 1.0\n",
    }
    with zipfile.ZipFile(path / "ridehelper-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return path


@pytest.fixture
def checked(tmp_path: Path, wheelhouse: Path) -> Checked:
    """Check a case of the bench in a copy of its own."""

    def look(case: Path) -> Report:
        place = tmp_path / "case"
        shutil.copytree(case, place, ignore=shutil.ignore_patterns("make.py", "locations.toml"))
        subject = place
        if (case / "make.py").is_file():
            subject = runpy.run_path(str(case / "make.py"))["make"](place) or place
        locations = case / "locations.toml"
        return check(
            Choices(
                subject=subject,
                config=place / "config.yaml",
                bucket_locations=tomllib.loads(locations.read_text()) if locations.exists() else {},
                cache_dir=default_cache_dir(),
                wheelhouse=wheelhouse,
                environment=dict(os.environ),
                deadline_s=DEADLINE_S,
                use_cache=False,
            )
        )

    return look
