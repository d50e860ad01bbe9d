"""TensorFlow's own gs:// finds in a job what it finds in the cloud, in each runtime version."""

import re
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.cluster import Isolation
from emulator.isolation import probe
from emulator.rehearsal import rehearse
from emulator.shipped import folder

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

TRAINER = folder("trainer_fixtures") / "gfile"


def groups() -> list[str]:
    """The names of all groups, as the trainer's source lists them."""
    found = []
    for path in sorted(TRAINER.glob("trainer/*.py")):
        _, _, table = path.read_text().partition("\nGROUPS = [")
        found += re.findall(r'\("([a-z ]+)", \w+\)', table)
    return found


# 2.11 without isolation is one of the scenarios.
@pytest.mark.parametrize(
    ("runtime_version", "level"),
    [
        ("2.11", "namespaces"),
        ("1.15", "namespaces"),
        pytest.param("1.15", "none", marks=pytest.mark.soak),
    ],
)
def test_every_group_passes(runtime_version: str, level: Isolation, tmp_path: Path) -> None:
    if level == "namespaces" and probe().isolation != level:
        pytest.skip(f"no namespaces here: {probe().reason}")
    options = ["--isolation", level]
    with Emulator(tmp_path / "data", options=options) as emulator, emulator.client() as client:
        client.storage.create("conformance")
        outcome = rehearse(
            client,
            TRAINER,
            bucket="conformance",
            job_id="gfile",
            runtime_version=runtime_version,
            timeout_s=800,
        )

        assert outcome.state == "SUCCEEDED", outcome.last_lines(60)
        assert f"Isolation of this replica: {level}." in outcome.logs
        (version,) = [line for line in outcome.logs if line.startswith("TensorFlow ")]
        assert version.startswith(f"TensorFlow {runtime_version}.")
        passed = [line.removeprefix("ok ") for line in outcome.logs if line.startswith("ok ")]
        assert len(passed) == 22
        assert sorted(passed) == sorted(groups())
        large = next(client.storage.objects(f"{outcome.job_dir}/large"))
        assert large["size"] == str((64 << 20) + 1)
