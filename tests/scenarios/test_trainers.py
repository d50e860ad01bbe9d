"""Every trainer fixture, at every isolation level of this machine, ends as it says it does."""

import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from emulator import Emulator
from emulator.assertions import assert_servable
from emulator.client import Client
from emulator.cluster import Isolation
from emulator.isolation import probe
from emulator.outcome import Outcome, read_saved_model, saved_models, wait
from emulator.rehearsal import package_of
from emulator.shipped import folder
from emulator.submission import Code, submit

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

ROOT = folder("trainer_fixtures")
TRAINERS = sorted(path.parent for path in ROOT.rglob("job.yaml"))
LEVELS = [level for level in get_args(Isolation) if level == "none" or probe().isolation == level]


@pytest.fixture(scope="module", params=LEVELS)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of an emulator at one level."""
    options = ["--isolation", request.param]
    with Emulator(options=options) as emulator, emulator.client() as client:
        client.storage.create("fixtures")
        generate = runpy.run_path(str(ROOT / "taxifare" / "generate.py"))["generate"]
        local = emulator.data_dir / "generated"
        generate(str(local))
        client.storage.upload_folder("gs://fixtures/data", local)
        yield client


def train(client: Client, trainer: Path) -> Outcome:
    job = yaml.safe_load((trainer / "job.yaml").read_text().replace("{bucket}", "fixtures"))
    job_id = re.sub(r"\W", "_", str(trainer.relative_to(ROOT)))
    code = Code(package_of(trainer), staging_bucket="gs://fixtures/staging")
    submit(client, {**job, "jobId": job_id}, code)
    return wait(client, job_id, timeout_s=800)


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_trainer_ends_as_expected(client: Client, trainer: Path) -> None:
    expected = tomllib.loads((trainer / "expected.toml").read_text())
    outcome = train(client, trainer)
    report = f"{outcome.state}: {outcome.error_message}\n{outcome.last_lines(60)}"
    assert outcome.state == expected["state"], report
    assert re.search(expected.get("error_message", "^$"), outcome.error_message), report
    lines = [line for text in outcome.logs for line in text.split("\n")]
    for pattern in expected["log"]:
        assert any(re.search(pattern, line) for line in lines), f"{pattern}\n{report}"
    for pattern in expected.get("no_log", []):
        assert not any(re.search(pattern, line) for line in lines), f"{pattern}\n{report}"
    _check_severities(outcome, expected)
    _check_files(client, outcome, expected)


def _check_severities(outcome: Outcome, expected: dict[str, Any]) -> None:
    for text, severity in expected.get("severity", {}).items():
        found = {entry.severity for entry in outcome.entries if text in entry.text}
        assert found == {severity}, text


def _check_files(client: Client, outcome: Outcome, expected: dict[str, Any]) -> None:
    for name in expected.get("objects", []):
        assert client.storage.exists(f"{outcome.job_dir}/{name}")
    if "saved_model" in expected:
        (found,) = saved_models(client, f"{outcome.job_dir}/export")
        model = read_saved_model(client, found)
        assert_servable(model, expected["signature"], outputs=expected["outputs"])
