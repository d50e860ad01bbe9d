import json
from xml.etree import ElementTree as ET

import pytest

from emulator.checks.report import listing, write
from emulator.checks.rules import every
from emulator.findings import Finding, Report, Severity

NAMES = tuple(rule.name for rule in every())
ERROR = Finding(
    rule="developer-path",
    severity=Severity.ERROR,
    message="/home/ana, 100%\nis not there",
    fix="Take it from an argument.",
    path="trainer/a,b.py",
    line=3,
    cloud="No such file: \x00<ana>",
)
NOTE = Finding(rule="quota-sized", severity=Severity.NOTE, message="Large.", fix="Ask.")
REPORT = Report(
    subject="trainer",
    runtime="2.11 (Python 3.7)",
    findings=(ERROR, NOTE),
    not_checked=("Training itself.",),
    rules=NAMES,
    seconds=1.25,
)


def test_text_says_all_of_it() -> None:
    text = write(REPORT, "text")
    assert "trainer/a,b.py:3: error[developer-path]" in text
    assert "cloud (guess): No such file" in text
    assert "fix: Take it" in text
    assert "- Training itself." in text
    assert "1 error, 0 warnings, 1 note" in text


def test_json_is_the_report() -> None:
    document = json.loads(write(REPORT, "json"))
    assert document["counts"] == {"error": 1, "warning": 0, "note": 1}
    assert document["findings"][0]["rule"] == "developer-path"
    assert document["not_checked"] == ["Training itself."]


def test_junit_has_a_case_for_each_rule() -> None:
    suite = ET.fromstring(write(REPORT, "junit"))[0]  # noqa: S314 - our own document
    assert [case.get("name") for case in suite.iter("testcase")] == list(NAMES)
    assert suite.get("failures") == "1"
    assert suite.get("tests") == str(len(NAMES))
    failures = list(suite.iter("failure"))
    assert [failure.get("type") for failure in failures] == ["error"]
    assert "<ana>" in (failures[0].text or "")


def test_sarif_results_point_at_their_rules() -> None:
    run = json.loads(write(REPORT, "sarif"))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [
        "developer-path",
        "quota-sized",
    ]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 3}
    assert "locations" not in run["results"][1]


def test_github_commands_are_escaped() -> None:
    first, second = write(REPORT, "github").splitlines()
    assert first == (
        "::error file=trainer/a%2Cb.py,line=3,title=developer-path::"
        "/home/ana, 100%25%0Ais not there Fix: Take it from an argument."
    )
    assert second.startswith("::notice title=quota-sized::")


@pytest.mark.parametrize("rule", every(), ids=lambda rule: str(rule.name))
def test_listing_documents_every_rule(rule: object) -> None:
    assert f"{getattr(rule, 'name')} (" in listing()  # noqa: B009


def test_the_worst_comes_out() -> None:
    assert REPORT.worst is Severity.ERROR
    assert Report(subject="x", runtime="y").worst is None
