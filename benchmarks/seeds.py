"""The seeded packages of ``trainer_fixtures/checks``: a folder a defect, and near misses beside.

``bad*`` must be found by the rule that its folder is named after; ``near*`` must not be, nor
have any error. ``make.py`` of a seed finishes what cannot lie in a folder; ``locations.toml``
has what the command line would say of buckets, ``run.toml`` what it would say of a run that the
rule needs, ``catalog/`` tables of machines.
"""

import os
import runpy
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec
import yaml

from emulator.checks.choices import Choices, Data, RunChoices
from emulator.shipped import folder, trainers

PLACE: Final = folder("trainer_fixtures") / "checks"
DEADLINE_S: Final = 8.0  # of an import; the seeds that hang wait for it


class Seed(msgspec.Struct, frozen=True):
    """One seed; a rule's first bad and near ones are its pair, the others are variants."""

    folder: Path

    @classmethod
    def every(cls) -> tuple[Self, ...]:
        return tuple(cls(path) for path in sorted(PLACE.glob("*/*")) if path.is_dir())

    @property
    def rule(self) -> str:
        return self.folder.parent.name

    @property
    def label(self) -> str:
        return f"{self.rule}/{self.folder.name}"

    @property
    def is_bad(self) -> bool:
        return self.folder.name.startswith("bad")

    @property
    def is_variant(self) -> bool:
        return "-" in self.folder.name

    @property
    def is_run(self) -> bool:
        """Whether its job is run, too, because the rule is about that."""
        return (self.folder / "run.toml").is_file()

    def run(self, place: Path) -> RunChoices | None:
        """How long its job may run, and on what data."""
        if not self.is_run:
            return None
        chosen = tomllib.loads((self.folder / "run.toml").read_text())
        data = chosen.get("data", {}).items()
        return RunChoices(
            deadline_s=chosen["deadline_s"],
            data=tuple(Data(target, path=place / local) for local, target in data),
        )

    def choices(self, place: Path, *, cache_dir: Path, wheels: Path) -> Choices:
        """What its check is made of, in a copy at ``place``, a folder that is not there yet."""
        ignored = shutil.ignore_patterns("make.py", "locations.toml", "run.toml", "__pycache__")
        shutil.copytree(self.folder, place, ignore=ignored)
        subject = place
        if (self.folder / "make.py").is_file():
            subject = runpy.run_path(str(self.folder / "make.py"))["make"](place) or place
        locations = self.folder / "locations.toml"
        return Choices(
            subject=subject,
            config=place / "config.yaml",
            bucket_locations=tomllib.loads(locations.read_text()) if locations.exists() else {},
            cache_dir=cache_dir,
            wheelhouse=wheels,
            environment=dict(os.environ),
            catalog=place / "catalog" if (place / "catalog").is_dir() else None,
            deadline_s=DEADLINE_S,
            use_cache=False,
            run=self.run(place),
        )


def wheelhouse(place: Path) -> Path:
    """A closed index with the one library that seeds declare, so that none needs a network."""
    place.mkdir(parents=True, exist_ok=True)
    info = "ridehelper-1.0.dist-info"
    tags = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "ridehelper.py": "NAME = 'helper'\n",
        f"{info}/WHEEL": tags,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: ridehelper\nVersion: 1.0\n",
    }
    with zipfile.ZipFile(place / "ridehelper-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return place


def good_trainers() -> Iterator[Path]:
    """The jobs of every trainer that ships and succeeds in a runtime: of a trial, of a tuning."""
    for trainer in dict.fromkeys(trainers().values()):
        state = tomllib.loads((trainer / "expected.toml").read_text())["state"]
        job = yaml.safe_load((trainer / "job.yaml").read_text())["trainingInput"]
        if state == "SUCCEEDED" and "runtimeVersion" in job:
            yield from sorted(trainer.glob("*.yaml"))
