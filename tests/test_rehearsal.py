"""A trainer is found, packaged, submitted and awaited, and everything is taken back."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from emulator.client import Client
from emulator.datadir import Endpoint
from emulator.engine import Engine
from emulator.errors import OperatorError
from emulator.rehearsal import Rehearsal, package_of, rehearse, with_runtime
from emulator.shipped import fixtures, folder
from emulator.states import JobState

if TYPE_CHECKING:
    from tests.conftest import Keeper


def test_trainer_is_submitted_and_awaited(client: Client, keeper: "Keeper") -> None:
    keeper.buckets["bkt"] = {}
    outcome = rehearse(
        client,
        folder("trainer_fixtures") / "prints",
        ["--flag"],
        bucket="bkt",
        job_id="j",
        scale_tier="STANDARD_1",
    )
    assert outcome.state is JobState.SUCCEEDED
    training = outcome.job["trainingInput"]
    assert training["pythonModule"] == "trainer.task"
    assert training["args"] == ["--flag"]
    assert training["scaleTier"] == "STANDARD_1"
    assert training["jobDir"] == "gs://bkt/j"


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").touch()


def test_package_is_found_in_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "tests", "trainer")
    assert package_of(tmp_path) == tmp_path / "trainer"
    assert package_of(tmp_path / "tests") == tmp_path / "tests"


def test_several_packages_are_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    with pytest.raises(OperatorError, match="packages found in it: a, b"):
        package_of(tmp_path)


CARD = Endpoint(
    pid=7,
    port=1,
    url="",
    project="p",
    ca_path="ca.pem",
    bundle_path="bundle.pem",
    gateway_pid=8,
    started=0.0,
    runner="process",
    isolation="none",
)


@pytest.fixture
def engine(served: str, tmp_path: Path) -> Engine:
    return Engine(tmp_path / "data", msgspec.structs.replace(CARD, url=served))


def test_rehearsal_leaves_nothing(engine: Engine, keeper: "Keeper") -> None:
    defaults = {"scale_tier": "BASIC", "runtime_version": "1.15"}
    with Rehearsal(engine, "test_it[1-a b]", defaults=defaults) as rehearsal:
        outcome = rehearsal.submit(fixtures("prints"), ["--flag"], labels={"a": "b"})
        assert set(keeper.buckets) == {rehearsal.bucket}
        assert rehearsal.traces() == [
            f"bucket gs://{rehearsal.bucket}",
            f"job {outcome.job_id}",
        ]
    assert outcome.job_id.startswith("test_it_1_a_b_")
    training = outcome.job["trainingInput"]
    assert (training["runtimeVersion"], training["pythonVersion"]) == ("1.15", "3.7")
    assert training["jobDir"] == f"gs://{rehearsal.bucket}/{outcome.job_id}"
    assert keeper.buckets == {}


def test_what_nobody_asked_for_is_not_made(engine: Engine, keeper: "Keeper") -> None:
    with Rehearsal(engine) as rehearsal:
        assert rehearsal.project == "p"
    assert keeper.requests == []


def test_kept_rehearsal_stays(engine: Engine, keeper: "Keeper") -> None:
    with Rehearsal(engine) as rehearsal:
        rehearsal.deploy("gs://elsewhere/model", model="m")
        assert rehearsal.bucket
        assert "version m/v1" in rehearsal.traces()
        rehearsal.is_kept = True
    assert rehearsal.bucket in keeper.buckets
    assert not [target for method, target, _ in keeper.requests if method == "DELETE"]


def test_running_job_is_cancelled_at_the_end(engine: Engine, keeper: "Keeper") -> None:
    keeper.states = ["QUEUED", "RUNNING", "RUNNING", "RUNNING", "CANCELLED"]
    with Rehearsal(engine) as rehearsal:
        job_id = rehearsal.start(fixtures("prints"))
    assert f"/v1/projects/p/jobs/{job_id}:cancel" in [target for _, target, _ in keeper.requests]


def test_missing_model_shows_what_is_there(engine: Engine, keeper: "Keeper") -> None:
    with Rehearsal(engine) as rehearsal:
        outcome = rehearsal.submit(fixtures("prints"))
        folder = keeper.buckets[rehearsal.bucket]
        folder[f"{outcome.job_id}/checkpoint"] = b""
        with pytest.raises(AssertionError, match=r"found:\n  .*packages|checkpoint") as caught:
            rehearsal.saved_model(outcome)
        assert f"job {outcome.job_id} is SUCCEEDED" in str(caught.value)
        folder[f"{outcome.job_id}/export/1/saved_model.pb"] = b""
        assert rehearsal.saved_model_uri(outcome).endswith("/export/1")


def test_local_model_is_stored_to_be_deployed(
    engine: Engine, keeper: "Keeper", tmp_path: Path
) -> None:
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"x")
    with Rehearsal(engine) as rehearsal:
        deployed = rehearsal.deploy(tmp_path / "model", runtime_version="1.15", machine_type="m")
        assert (
            f"{deployed.origin}/saved_model.pb".removeprefix(f"gs://{rehearsal.bucket}/")
            in keeper.buckets[rehearsal.bucket]
        )
        (body,) = [body for _, target, body in keeper.requests if target.endswith("/versions")]
        assert (body["runtimeVersion"], body["machineType"]) == ("1.15", "m")
        with pytest.raises(OperatorError, match="is not a folder"):
            rehearsal.deploy(tmp_path / "nothing")


def test_runtime_gets_its_newest_python() -> None:
    assert with_runtime({}) == {"runtimeVersion": "2.11", "pythonVersion": "3.7"}
    assert with_runtime({"runtimeVersion": "1.10"})["pythonVersion"] == "3.5"
    assert (
        with_runtime({"runtimeVersion": "1.15", "pythonVersion": "2.7"})["pythonVersion"] == "2.7"
    )
