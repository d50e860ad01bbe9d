"""Every trainer fixture ends as its expected.toml says, at each level of isolation."""

import fnmatch
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator import Emulator
from emulator.client import Client
from emulator.outcome import Outcome, read_saved_model, saved_models, wait
from emulator.shipped import folder
from emulator.submission import Code, submit

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

FIXTURES = folder("trainer_fixtures")
NAMES = sorted(str(path.parent.relative_to(FIXTURES)) for path in FIXTURES.rglob("expected.toml"))
LEVELS = ("namespaces", "none")


@pytest.fixture(scope="module", params=LEVELS)
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    with Emulator(options=["--isolation", request.param]) as running:
        yield running


@pytest.fixture(scope="module")
def client(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of an emulator that has the taxi data in the bucket ``scenarios``."""
    data = tmp_path_factory.mktemp("data")
    runpy.run_path(str(FIXTURES / "taxifare" / "generate.py"))["generate"](str(data))
    with emulator.client() as opened:
        opened.storage.create("scenarios")
        opened.storage.upload_folder("gs://scenarios/data", data)
        yield opened


def filled(value: Any) -> Any:
    """The job file with the bucket's name put in, and few steps."""
    if isinstance(value, dict):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"--train-steps=\d+", "--train-steps=100", value).format(bucket="scenarios")
    return value


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_ends_as_expected(client: Client, name: str) -> None:
    source = FIXTURES / name
    expected = tomllib.loads((source / "expected.toml").read_text())
    training = filled(yaml.safe_load((source / "job.yaml").read_text()))["trainingInput"]
    job_id = re.sub(r"\W", "_", name)
    package = next(source.glob("*/__init__.py")).parent
    job = {"jobId": job_id, "trainingInput": training}
    submit(client, job, Code(package_path=package, staging_bucket="gs://scenarios"))
    outcome = wait(client, job_id, timeout_s=600)

    assert outcome.state == expected["state"], outcome.last_lines()
    if "error_message" in expected:
        assert re.search(expected["error_message"], outcome.error_message)
    _check_log(outcome, expected)
    _check_objects(client, outcome, expected)


def _check_log(outcome: Outcome, expected: dict[str, Any]) -> None:
    # the emulator's words about an error repeat it: only the replica's own are looked at
    lines = [entry for entry in outcome.entries if entry.task != "service"]
    for pattern in expected.get("log", []):
        assert any(re.search(pattern, line.text) for line in lines), outcome.last_lines(40)
    for pattern in expected.get("no_log", []):
        assert not any(re.search(pattern, line.text) for line in lines), pattern
    for text, severity in expected.get("severity", {}).items():
        assert severity in {line.severity for line in lines if text in line.text}


def _check_objects(client: Client, outcome: Outcome, expected: dict[str, Any]) -> None:
    for name in expected.get("objects", []):
        assert client.storage.exists(f"{outcome.job_dir}/{name}")
    if "saved_model" not in expected:
        return
    found = saved_models(client, outcome.job_dir)
    assert [uri for uri in found if fnmatch.fnmatch(uri, f"*/{expected['saved_model']}")]
    signature = (
        read_saved_model(client, found[-1]).tagged("serve")[0].signatures[expected["signature"]]
    )
    assert set(expected["outputs"]) <= set(signature.outputs)


def test_every_fixture_is_a_whole_user_program() -> None:
    assert len(NAMES) >= 10
    for name in NAMES:
        assert (FIXTURES / name / "job.yaml").is_file()
        assert list(Path(FIXTURES / name).glob("*/__init__.py"))
