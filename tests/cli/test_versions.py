"""``cmle models`` and ``cmle versions``."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle
    from tests.conftest import Keeper
VERSION = "projects/p/models/m/versions/v1"


@pytest.mark.usefixtures("data_dir")
def test_model_is_made_listed_and_described(cmle: "Cmle") -> None:
    result = cmle("models", "create", "m", "--labels", "a=b")
    assert result.err == "Created ai platform model [projects/p/models/m].\n"
    assert cmle("models", "list").out == "NAME  DEFAULT_VERSION_NAME\nm\n"
    assert "labels:\n  a: b\n" in cmle("models", "describe", "m").out


@pytest.mark.usefixtures("data_dir")
def test_default_version_is_listed(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.models = {"m": {"name": "projects/p/models/m", "defaultVersion": {"name": VERSION}}}
    assert cmle("models", "list").out.splitlines()[1] == "m     v1"


@pytest.mark.usefixtures("data_dir")
def test_version_is_created_and_awaited(cmle: "Cmle", keeper: "Keeper") -> None:
    line = "versions create v1 --model m --origin gs://b/export --runtime-version 2.11"
    result = cmle(*line.split(), "--framework", "scikit-learn")
    assert result.code == 0
    assert result.err.endswith("Created version [v1] of model [m].\n")
    assert keeper.requests[0][2] == {
        "name": "v1",
        "deploymentUri": "gs://b/export",
        "runtimeVersion": "2.11",
        "framework": "SCIKIT_LEARN",
    }


@pytest.mark.usefixtures("data_dir")
def test_failed_version_ends_with_one(cmle: "Cmle", keeper: "Keeper") -> None:
    keeper.operation_error = {"code": 9, "message": "Cannot load the model."}
    result = cmle(*["versions", "create", "v1", "--model", "m", "--origin", "gs://b/export"])
    assert result.code == 1
    assert "ERROR: Cannot load the model." in result.err


@pytest.mark.usefixtures("data_dir")
def test_local_origin_is_stored_by_its_contents(
    cmle: "Cmle", keeper: "Keeper", tmp_path: Path
) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"pb")
    (tmp_path / "variables" / "x").write_bytes(b"v")
    keeper.buckets["b"] = {}
    cmle("versions", "create", "v1", "--model=m", "--staging-bucket=gs://b", "--origin", tmp_path)
    (created,) = [body for _, target, body in keeper.requests if target.endswith("/versions")]
    uri = created["deploymentUri"]
    folder = uri.removeprefix("gs://b/")
    assert keeper.buckets["b"] == {f"{folder}saved_model.pb": b"pb", f"{folder}variables/x": b"v"}


@pytest.mark.usefixtures("data_dir")
def test_local_origin_needs_a_bucket(cmle: "Cmle", tmp_path: Path) -> None:
    result = cmle("versions", "create", "v1", "--model=m", "--origin", tmp_path)
    assert "--staging-bucket must be given as well" in result.err


@pytest.mark.usefixtures("data_dir")
def test_origin_is_needed(cmle: "Cmle") -> None:
    result = cmle("versions", "create", "v1", "--model=m")
    assert result.code == 1
    assert "Either `--origin` must be provided" in result.err


@pytest.mark.usefixtures("data_dir")
def test_versions_are_listed(cmle: "Cmle") -> None:
    assert cmle("versions", "list", "--model=m").out == (
        "NAME  DEPLOYMENT_URI  STATE\nv1    gs://b/m        READY\n"
    )
