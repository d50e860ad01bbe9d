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
from emulator.checks.choices import Choices, Data, RunChoices
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


def run_of(case: Path, place: Path) -> RunChoices | None:
    """The run that a case needs to be judged: how long it may take, and its data."""
    file = case / "run.toml"
    if not file.is_file():
        return None
    chosen = tomllib.loads(file.read_text())
    data = chosen.get("data", {}).items()
    return RunChoices(
        deadline_s=chosen["deadline_s"],
        data=tuple(Data(target, path=place / local) for local, target in data),
    )


@pytest.fixture
def checked(tmp_path: Path, wheelhouse: Path) -> Checked:
    """Check a case of the bench in a copy of its own."""

    def look(case: Path) -> Report:
        place = tmp_path / "case"
        own = shutil.ignore_patterns("make.py", "locations.toml", "run.toml")
        shutil.copytree(case, place, ignore=own)
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
                catalog=place / "catalog" if (case / "catalog").is_dir() else None,
                deadline_s=DEADLINE_S,
                use_cache=False,
                run=run_of(case, place),
            )
        )

    return look
