import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import catalog
from emulator.checks import request
from emulator.checks.evidence import Request
from emulator.shipped import folder


def read(tmp_path: Path, text: str, **given_fields: object) -> Request:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return request.read(path, "config.yaml", given_fields)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    text = "trainingInput:\n  jobDir: gs://a/b\n  region: us-east1\n"
    asked = read(tmp_path, text, jobDir="gs://c/d", args=["--x"])
    assert asked.training.job_dir == "gs://c/d"
    assert asked.training.region == "us-east1"
    assert asked.training.args == ("--x",)
    assert asked.line("jobDir") == 2


def test_unquoted_versions_are_kept_as_written(tmp_path: Path) -> None:
    asked = read(tmp_path, "trainingInput:\n  runtimeVersion: 1.10\n")
    assert asked.unquoted == {"runtimeVersion": "1.10"}
    assert asked.training.runtime_version == "1.1"


def test_unknown_field_is_a_violation_in_the_service_s_words(tmp_path: Path) -> None:
    asked = read(tmp_path, "trainingInput:\n  workers: 3\n")
    (violation,) = asked.violations
    assert violation.description == (
        "Invalid JSON payload received. Unknown name \"workers\" at 'job.training_input': "
        "Cannot find field."
    )


def test_nothing_given_is_a_whole_request() -> None:
    asked = request.read(None, "", {})
    assert asked.violations == ()
    assert not asked.given


@pytest.mark.parametrize(
    "text", ["[1, 2", "- a\n- b\n", "", "a: &x [*x]\n", "a: &x {b: *x}\n", "trainingInput: 3\n"]
)
def test_odd_files_become_problems_or_violations(tmp_path: Path, text: str) -> None:
    asked = read(tmp_path, text)
    assert asked.problem is not None or asked.violations


@given(st.text(max_size=200))
def test_no_text_is_a_crash(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        request.read(path, "config.yaml", {})


def test_tables_may_know_more_machines(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("trainingInput: {scaleTier: CUSTOM, masterType: tiny-256}\n")
    assert "tiny-256" in str(request.read(config, "", {}).violations)
    tables = catalog.load(folder("trainer_fixtures") / "out_of_memory" / "catalog")
    assert request.read(config, "", {}, tables).violations == ()
