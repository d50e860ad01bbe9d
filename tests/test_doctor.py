"""The doctor says what is there, what is not, and what to do."""

import os
from pathlib import Path

from emulator.doctor import Finding, examine


def by_name(data_dir: Path, cache_dir: Path, environment: dict[str, str]) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(data_dir, cache_dir, environment)}


def test_bare_machine_gets_advice(tmp_path: Path) -> None:
    found = by_name(tmp_path / "data", tmp_path / "cache", {"PATH": "", "HOME": str(tmp_path)})
    assert found["fake-gcs-server"].level == "limited"
    assert "obtains it" in found["fake-gcs-server"].advice
    assert found["runtimes"].text == "no environment has been made yet"
    assert found["gcloud"].text.startswith("not on PATH")
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "cache").exists()


def test_environments_are_named(tmp_path: Path) -> None:
    made = tmp_path / "runtimes" / "0123" / ".complete"
    made.parent.mkdir(parents=True)
    made.write_text(
        '{"python": "3.7.16", "tensorflow": "2.11.0", "prefix": "/", "index_hosts": []}'
    )
    (tmp_path / "runtimes" / "unfinished").mkdir()
    found = by_name(tmp_path, tmp_path, dict(os.environ))
    assert found["runtimes"] == Finding("runtimes", "ok", "TensorFlow 2.11.0 on Python 3.7.16")


def test_isolation_is_tried(tmp_path: Path) -> None:
    found = by_name(tmp_path, tmp_path, dict(os.environ))["isolation"]
    assert found.level == "ok" or found.advice


def test_a_folder_that_cannot_be_written_stops_the_emulator(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = by_name(tmp_path / "file" / "data", tmp_path, dict(os.environ))
    assert found["data directory"].level == "missing"
    assert str(tmp_path / "file") in found["data directory"].text
    assert found["cache"].level != "missing"
