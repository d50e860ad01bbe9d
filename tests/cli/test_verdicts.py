"""One report in several forms, and its exit code."""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle


def test_reports_are_written_beside_the_printed_one(cmle: "Cmle", tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    line = [
        *["check-model", tmp_path, "--format", "github"],
        *["--report", f"markdown={summary}"],
        *["--report", f"junit={tmp_path / 'junit.xml'}"],
        *["--report", f"sarif={tmp_path / 'out.sarif'}"],
    ]
    cmle(*line)
    result = cmle(*line)
    assert result.code == 1
    assert result.out.startswith("::error ")
    text = summary.read_text()
    assert text.startswith("# Before\n### cmle check-model: ")
    assert text.count("| error | no-model |") == 2  # appended: others write there, too
    assert ET.parse(tmp_path / "junit.xml").getroot().tag == "testsuites"  # noqa: S314 - ours
    runs = json.loads((tmp_path / "out.sarif").read_text())["runs"]
    assert runs[0]["results"][0]["ruleId"] == "no-model"


@pytest.mark.parametrize("value", ["sarif", "sarif=", "pdf=x", "=x"])
def test_wrong_reports_are_refused(cmle: "Cmle", tmp_path: Path, value: str) -> None:
    result = cmle("check-model", tmp_path, "--report", value)
    assert result.code == 2
    assert "expected FORMAT=FILE" in result.err


def test_a_report_that_cannot_be_written_is_one_sentence(cmle: "Cmle", tmp_path: Path) -> None:
    result = cmle("check-model", tmp_path, "--report", f"sarif={tmp_path}/absent/x")
    assert result.code == 1
    assert "absent/x cannot be written: No such file or directory." in result.err


def test_json_for_short(cmle: "Cmle", tmp_path: Path) -> None:
    assert json.loads(cmle("check-model", tmp_path, "--json").out)["counts"]["error"] == 1
